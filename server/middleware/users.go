package middleware

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Users are the names and hashes of passwords in a file in the format of Apache's htpasswd. A
// change of the file is noticed within 2 s, at the next request. If it cannot be read or parsed the
// previous users stay valid. Users is safe for concurrent use.
type Users struct{ userFile[table] }

// DigestUsers are the names, the realm and the HA1 (RFC 7616 §3.4.2) of users in a file in the
// format of Apache's htdigest, with lines of 64 hexadecimal digits for SHA-256 beside those of 32
// for MD5. Changes are noticed as with Users. Who can read the file can log in.
type DigestUsers struct{ userFile[digestTable] }

// userFile is a file of users that is parsed to a T. It is read again when it changes.
type userFile[T any] struct {
	file  string
	parse func(text []byte) (t *T, users int, err error)
	log   *slog.Logger
	now   func() time.Time
	table atomic.Pointer[T]
	users atomic.Int64 // the number of them

	mu      sync.Mutex // held while a request checks the file; others use TryLock
	checked time.Time
	info    os.FileInfo // of the file that was read; nil to read it again
	recent  bool        // the file may change again without a new modification time
	text    []byte
	lastErr string // the last logged error; logged once
}

const (
	checkInterval = 2 * time.Second
	// mtimeGranularity is the coarsest resolution of modification times, that of FAT.
	mtimeGranularity = 2 * time.Second
)

// OpenUsers reads a file of users. The error names the first line that is not a user with a hash
// of package password, or wraps that of the system. log, which may be nil, logs later changes of
// the file and errors.
func OpenUsers(file string, log *slog.Logger) (*Users, error) {
	u := &Users{}
	return u, u.open(file, log, parseUsers)
}

// OpenDigestUsers reads a file of users for Digest, as OpenUsers does.
func OpenDigestUsers(file string, log *slog.Logger) (*DigestUsers, error) {
	u := &DigestUsers{}
	return u, u.open(file, log, parseDigestUsers)
}

// open reads the file for the first time.
func (u *userFile[T]) open(file string, log *slog.Logger, parse func([]byte) (*T, int, error)) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	u.file, u.parse, u.log, u.now = file, parse, log, time.Now
	u.checked = u.now()
	return u.read()
}

// Len returns the number of users.
func (u *userFile[T]) Len() int { return int(u.users.Load()) }

// Has reports whether a user of that name is in the file.
func (u *Users) Has(name string) bool { _, ok := u.current().hashes[name]; return ok }

// Has reports whether a user of that name is in the file.
func (u *DigestUsers) Has(name string) bool {
	return slices.ContainsFunc(u.current().ha1[:], func(of map[string]string) bool { return of[name] != "" })
}

// current returns the users, after checking the file if the last check was checkInterval ago.
func (u *userFile[T]) current() *T {
	if u.mu.TryLock() {
		if now := u.now(); now.Sub(u.checked) >= checkInterval {
			u.checked = now
			u.reload()
		}
		u.mu.Unlock()
	}
	return u.table.Load()
}

// reload reads the file unless it is unchanged.
func (u *userFile[T]) reload() {
	info, err := os.Stat(u.file)
	if err == nil && !u.recent && u.info != nil && os.SameFile(info, u.info) && info.Size() == u.info.Size() && info.ModTime().Equal(u.info.ModTime()) {
		return
	}
	if err == nil {
		err = u.read()
	}
	if err == nil {
		u.lastErr = ""
		return
	}
	u.info = nil // read the file next time, even if it looks like the one before
	if u.lastErr != err.Error() {
		u.lastErr = err.Error()
		u.log.Error("cannot reload the users", slog.String("file", u.file), slog.Any("err", err))
	}
}

// read replaces the users by those of the file. After an error they are unchanged.
func (u *userFile[T]) read() error {
	info, text, err := readRegular(u.file)
	if err != nil {
		return err
	}
	if u.table.Load() == nil || !bytes.Equal(text, u.text) {
		t, users, err := u.parse(text)
		if err != nil {
			return err
		}
		u.users.Store(int64(users))
		if u.table.Swap(t) != nil {
			u.log.Info("users reloaded", slog.String("file", u.file), slog.Int("users", users))
		}
		u.text = text
	}
	u.info = info
	u.recent = u.now().Sub(info.ModTime()) < mtimeGranularity
	return nil
}

// readRegular reads a regular file. It opens nothing else: opening a pipe would block.
func readRegular(name string) (os.FileInfo, []byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err == nil && len(text) > maxUsersFile {
		err = fmt.Errorf("the file has more than %d bytes", maxUsersFile)
	}
	return info, text, err
}
