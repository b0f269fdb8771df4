package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ChangeFile waits this long for another process.
const (
	changeTries = 100
	changePause = 50 * time.Millisecond
)

// ChangeFile replaces the content of a file, or creates the file, readable by its owner alone. It
// writes a temp file and renames it, so that readers see the old content or the new. The temp file
// is a lock, too: another process that changes the file waits for it.
func ChangeFile(ctx context.Context, file string, change func(old []byte) ([]byte, error)) (err error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // replaces the target of a link, not the link
	}
	temp := file + ".new"
	f, err := createTemp(ctx, temp, file)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(temp)
		}
	}()
	old, info, err := ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return FileError("read", file, err)
	}
	text, err := change(old)
	if err != nil {
		return err
	}
	if info != nil {
		err = sameOwner(f, info)
	}
	if err == nil {
		err = writeSynced(f, text)
	}
	if err == nil {
		err = os.Rename(temp, file)
	}
	if err != nil {
		return FileError("write", file, err)
	}
	return nil
}

// createTemp creates the temp file of file. It waits while another process has it.
func createTemp(ctx context.Context, temp, file string) (*os.File, error) {
	for try := 1; ; try++ {
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, FileError("write", file, err)
		case try == changeTries:
			return nil, fmt.Errorf("%q is there, so another process changes %q: if there is none, remove it", temp, file)
		}
		select {
		case <-ctx.Done():
			return nil, ErrInterrupted
		case <-time.After(changePause):
		}
	}
}

// writeSynced writes text to f, syncs and closes it. After an error f may be open.
func writeSynced(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	return err
}

var ErrInterrupted = errors.New("ended by a signal: nothing was changed")
