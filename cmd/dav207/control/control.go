// Package control lets an administrator ask a running server for its locks, and break them, over a
// Unix socket. The server holds the state file, so no other process can.
//
// The socket has the mode 0600: the user of the server and root can use it, and nobody else. It is
// no part of the tree that is served. There are two requests over HTTP: GET /locks, and POST
// /break?path=PATH. Nothing waits for requests of clients: only the lock table is asked.
//
// The package follows no symbolic link, and removes only a socket that this user made and on which
// no process listens.
package control

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"dav207/server/davpath"
	"dav207/server/locks"
)

// Path returns the socket of a server that keeps its state in a file.
func Path(state string) string { return state + ".sock" }

// Lock is a lock as an administrator sees it: without its token, which is its owner's secret.
type Lock struct {
	Path    string `json:"path"`    // the lock root
	User    string `json:"user"`    // who took it, "" if not authenticated
	Depth   string `json:"depth"`   // "0" or "infinity"
	Scope   string `json:"scope"`   // "exclusive" or "shared"
	Timeout int64  `json:"timeout"` // seconds, as granted
	Left    int64  `json:"left"`    // seconds until it ends
	Owner   string `json:"owner"`   // the text of DAV:owner, in one line
}

// describe returns what an administrator sees of a lock.
func describe(table *locks.Table, l locks.Lock) Lock {
	d := Lock{Path: l.Root.String(), User: l.Principal, Depth: "0", Scope: "exclusive", Owner: ownerText(l.Owner),
		Timeout: int64(l.Timeout / time.Second), Left: int64((table.Remaining(l) + time.Second - 1) / time.Second)}
	if l.Infinite {
		d.Depth = "infinity"
	}
	if l.Shared {
		d.Scope = "shared"
	}
	return d
}

// maxOwner bounds the characters of Lock.Owner.
const maxOwner = 200

// ownerText returns the character data of DAV:owner in one line, without characters that are not
// printable. Clients put a name there, or a URL in DAV:href (RFC 4918 §14.17).
func ownerText(owner []byte) string {
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(owner))); ; {
		token, err := d.RawToken()
		if err != nil {
			break
		}
		if data, ok := token.(xml.CharData); ok {
			text.Write(data)
			text.WriteByte(' ') // what stands in two elements is two words
		}
	}
	line := []rune(strings.Join(strings.Fields(text.String()), " "))
	if len(line) > maxOwner {
		line = append(line[:maxOwner-1], '…')
	}
	for i, r := range line {
		if !unicode.IsPrint(r) {
			line[i] = '?'
		}
	}
	return string(line)
}

// handler answers the requests of administrators.
func handler(table *locks.Table, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /locks", func(w http.ResponseWriter, _ *http.Request) {
		found := append(table.Covering(davpath.Root), table.Below(davpath.Root)...)
		w.Header().Set("Content-Type", "application/x-ndjson")
		enc := json.NewEncoder(w)
		for _, l := range found {
			if enc.Encode(describe(table, l)) != nil {
				return // the client is gone
			}
		}
	})
	mux.HandleFunc("POST /break", func(w http.ResponseWriter, r *http.Request) {
		path, err := davpath.Clean(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		broken, err := breakLocks(r.Context(), table, path)
		for _, l := range broken {
			log.Info("lock broken", slog.String("name", l.Path), slog.String("user", l.User), slog.String("scope", l.Scope),
				slog.String("by", r.FormValue("by")))
		}
		switch {
		case errors.Is(err, ErrNoLock):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			json.NewEncoder(w).Encode(broken)
		}
	})
	return mux
}

// breakLocks removes the locks whose root is path, and returns them. If there is none the error
// wraps ErrNoLock.
func breakLocks(ctx context.Context, table *locks.Table, path davpath.Path) (broken []Lock, err error) {
	outer := ErrNoLock
	for _, l := range table.Covering(path) {
		if l.Root != path {
			outer = fmt.Errorf("%w: it is covered by the one on %q", ErrNoLock, l.Root)
			continue
		}
		switch err := table.Unlock(l.Token); {
		case err == nil:
			broken = append(broken, describe(table, l))
		case !errors.Is(err, locks.ErrNoSuchLock): // it has ended meanwhile
			return broken, err
		}
	}
	if len(broken) == 0 {
		return nil, outer
	}
	if err := table.Sync(ctx, false); err != nil {
		return broken, fmt.Errorf("the lock has ended, but may exist again after a restart: %w", err)
	}
	return broken, nil
}

// Server answers on a socket.
type Server struct {
	http   *http.Server
	socket *socket
}

// Start listens on the socket called path and answers for table until Close is called. It logs to
// log what is broken, and by whom.
func Start(path string, table *locks.Table, log *slog.Logger) (*Server, error) {
	s, err := listen(path)
	if err != nil {
		return nil, err
	}
	server := &Server{socket: s, http: &http.Server{
		Handler:           handler(table, log),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ReadHeaderTimeout: 10 * time.Second,
	}}
	go server.http.Serve(s.Listener)
	return server, nil
}

// Close stops listening, and removes the socket.
func (s *Server) Close() error {
	s.http.Close()
	return s.socket.remove()
}
