package middleware

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Users are the names and passwords in a file of the format that Apache's htpasswd writes, with bcrypt hashes. The file is
// read again when it changes; while it cannot be, the users are those of before. Safe for concurrent use.
type Users struct {
	file  string
	log   *slog.Logger
	now   func() time.Time
	table atomic.Pointer[table]

	mu      sync.Mutex // held by the one request that looks at the file; others do not wait for it
	looked  time.Time
	info    os.FileInfo // of the file that was read, nil for none
	young   bool        // it might have changed since without its time showing that
	text    []byte
	trouble string // what was last complained of
}

// How often the file is looked at, and for how long after a change another might have the same time: some file systems
// know it in steps of two seconds.
const (
	lookEvery = 2 * time.Second
	timeStep  = 2 * time.Second
)

// OpenUsers reads a file of users. A line that is not a user with a bcrypt hash is an error that names it; one of the system
// is wrapped. log, which may be nil, hears of what becomes of the file later.
func OpenUsers(file string, log *slog.Logger) (*Users, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	u := &Users{file: file, log: log, now: time.Now}
	u.looked = u.now()
	if err := u.read(); err != nil {
		return nil, err
	}
	return u, nil
}

// Len returns the number of users.
func (u *Users) Len() int { return len(u.table.Load().hashes) }

// current returns the users, after a look at the file if the last one was a while ago.
func (u *Users) current() *table {
	if u.mu.TryLock() {
		if now := u.now(); now.Sub(u.looked) >= lookEvery {
			u.looked = now
			u.look()
		}
		u.mu.Unlock()
	}
	return u.table.Load()
}

// look reads the file if it is not what was read last.
func (u *Users) look() {
	info, err := os.Stat(u.file)
	if err == nil && !u.young && u.info != nil && os.SameFile(info, u.info) && info.Size() == u.info.Size() && info.ModTime().Equal(u.info.ModTime()) {
		return
	}
	if err == nil {
		err = u.read()
	}
	if err == nil {
		u.trouble = ""
		return
	}
	u.info = nil // what comes after is another file, even if it looks like the last good one
	if u.trouble != err.Error() {
		u.trouble = err.Error()
		u.log.Error("the users stay as they were", slog.String("file", u.file), slog.Any("err", err))
	}
}

// read replaces the users by those of the file, all or none.
func (u *Users) read() error {
	info, text, err := readRegular(u.file)
	if err != nil {
		return err
	}
	if u.table.Load() == nil || !bytes.Equal(text, u.text) {
		t, err := parseUsers(text)
		if err != nil {
			return err
		}
		if u.table.Swap(t) != nil {
			u.log.Info("the users changed", slog.String("file", u.file), slog.Int("users", len(t.hashes)))
		}
		u.text = text
	}
	u.info = info
	u.young = u.now().Sub(info.ModTime()) < timeStep
	return nil
}

// readRegular reads a file. What is none is not opened: a pipe would wait for its other end.
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
		err = fmt.Errorf("it has more than %d bytes", maxUsersFile)
	}
	return info, text, err
}
