// Package config reads the configuration file of "dav207 serve".
//
// The file is a YAML mapping. A key with the name of a flag is that flag; the keys that no flag can
// express are fields of File. Everything that is not understood is an Error with its line.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"dav207/server/access/rules"
)

// File is what a configuration file says.
type File struct {
	Flags  []Setting
	Mounts []Mount
	Groups map[string][]string // the names of the users of each group
	Rules  []Rule
}

// Setting is a flag that is set in the file. A flag that collects values has one of these for each.
type Setting struct {
	Name, Value string
	Line        int
}

// Mount is a directory and the URL path at which it is served. With {user} it is one for each user.
type Mount struct {
	At       string // an absolute path, clean and without a slash at its end
	Dir      string // has {user} as a segment if At has
	ReadOnly bool
	Quota    int64 // in bytes, with {user} for each user; 0 is no limit
	Line     int
}

// Rule says who may do what where.
type Rule struct {
	rules.Rule
	Line int
}

// Error is a mistake in a file.
type Error struct {
	File string
	Line int // counted from 1; 0 is the file as a whole
	Err  error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns the mistake.
func (e *Error) Unwrap() error { return e.Err }

// maxSize bounds a file. One with 1,000 rules has about 100 KiB.
const maxSize = 1 << 20

// Read reads the file called name. flags are the names of flags, which are keys. A mistake is an
// *Error. Only a regular file is opened: a server that reads it again must not be blocked by a
// pipe, which has the text once only.
func Read(name string, flags []string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{name, 0, errors.New("it is not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, &Error{name, 0, errors.New("a configuration file has at most 1 MiB")}
	}
	file, err := Parse(data, flags)
	if mistake := (*Error)(nil); errors.As(err, &mistake) {
		mistake.File = name
	}
	return file, err
}
