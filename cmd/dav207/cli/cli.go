// Package cli has what the commands of dav207 share: their form, their errors and their flags.
package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// Command is a subcommand of dav207.
type Command struct {
	Name  string
	Args  string // as help prints them
	About string // one line
	More  string // printed by the help of this command
	// Flags returns the command's flags, and a function that runs the command after they were
	// parsed, until ctx ends.
	Flags func() (*pflag.FlagSet, func(ctx context.Context, args []string, stdout, stderr io.Writer) error)
}

// UsageError is a mistake on the command line.
type UsageError struct{ Err error }

// Error implements error.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e UsageError) Unwrap() error { return e.Err }

// Usage returns err as a UsageError.
func Usage(err error) error { return UsageError{err} }

// Usagef returns a UsageError with a text.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// StatusError ends the process with a status. Its message may be empty.
type StatusError struct {
	Status  int
	Message string
}

// Error implements error.
func (e StatusError) Error() string { return e.Message }

// OneLine replaces characters that are not printable, so that arguments and file names cannot add
// lines or control the terminal.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
