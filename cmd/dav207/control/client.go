package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrNoServer reports that no server listens on the socket.
	ErrNoServer = errors.New("no server answers")
	// ErrNoLock reports that no lock has a path as its root.
	ErrNoLock = errors.New("no lock is there")
)

// maxAnswer bounds the bytes of an answer: those of more locks than a server holds.
const maxAnswer = 1 << 30

// List calls visit for each lock of the server that listens on socket, in the order of their paths.
func List(ctx context.Context, socket string, visit func(Lock) error) error {
	body, err := send(ctx, socket, "GET", "/locks")
	if err != nil {
		return err
	}
	defer body.Close()
	for dec := json.NewDecoder(io.LimitReader(body, maxAnswer)); ; {
		var l Lock
		err := dec.Decode(&l)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = visit(l)
		}
		if err != nil {
			return fmt.Errorf("the answer of the server: %w", err)
		}
	}
}

// Break removes the locks whose root is path from the server that listens on socket, and returns
// them. The server logs that by did it. If there is none it returns an error that wraps ErrNoLock.
func Break(ctx context.Context, socket, path, by string) (broken []Lock, err error) {
	body, err := send(ctx, socket, "POST", "/break?"+url.Values{"path": {path}, "by": {by}}.Encode())
	if err != nil {
		return nil, err
	}
	defer body.Close()
	err = json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&broken)
	return broken, err
}

// send sends a request and returns the body of a 200. Its errors are for administrators.
func send(ctx context.Context, socket, method, target string) (io.ReadCloser, error) {
	transport := &http.Transport{
		DialContext:           func(context.Context, string, string) (net.Conn, error) { return dial(socket) },
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: 30 * time.Second,
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+target, nil)
	if err != nil {
		return nil, err
	}
	res, err := transport.RoundTrip(req)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), refused(err), errors.Is(err, errNoSocket):
		return nil, fmt.Errorf("%w: %w", ErrNoServer, err)
	default:
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<10))
	if err != nil {
		return nil, err
	}
	said := strings.TrimSpace(string(text))
	if after, ok := strings.CutPrefix(said, ErrNoLock.Error()); ok {
		return nil, fmt.Errorf("%w%s", ErrNoLock, after)
	}
	return nil, errors.New(said)
}
