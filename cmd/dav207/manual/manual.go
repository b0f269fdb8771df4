// Package manual writes what shells and man know of a program, from the flags that it parses: the
// completions for bash, zsh and fish, and a manual page.
//
// The completions are whole: shells do not call the program for them.
package manual

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Program is a program with subcommands.
type Program struct {
	Name, About string
	Version     string
	Date        time.Time
	Commands    []Command
	// Choices returns the words that a flag accepts, nil if it accepts others.
	Choices func(*pflag.Flag) []string
	// Repeats reports whether a flag may be given more than once.
	Repeats func(*pflag.Flag) bool
}

// Command is a subcommand. Args are its arguments as help prints them: one in brackets may be left
// out, "a|b" are words to choose from, DIR and FILE are names, and one that ends in "..." may be
// given more than once.
type Command struct {
	Name, Args, About, More string
	Flags                   *pflag.FlagSet
}

// kind is what can be completed.
type kind int

const (
	nothing kind = iota
	words
	files
	dirs
)

// value is the value of a flag or an argument.
type value struct {
	name  string
	kind  kind
	words []string
	more  bool // the argument may be given more than once
}

// option is a flag.
type option struct {
	long, short string // with their hyphens; short may be ""
	about       string
	value       *value // nil for a flag without one
	repeats     bool
	standard    string // the default as help prints it, or ""
}

// options returns the flags of a command that help prints.
func (p *Program) options(c Command) (all []option) {
	c.Flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, about := pflag.UnquoteUsage(f)
		o := option{long: "--" + f.Name, about: about, repeats: p.Repeats(f)}
		if f.Shorthand != "" {
			o.short = "-" + f.Shorthand
		}
		if f.NoOptDefVal == "" {
			v := named(name)
			if choices := p.Choices(f); choices != nil {
				v.kind, v.words = words, choices
			}
			o.value = &v
			if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
				o.standard = f.DefValue
			}
		}
		all = append(all, o)
	})
	return all
}

// arguments returns the arguments of a command.
func (c Command) arguments() (all []value) {
	for _, word := range strings.Fields(c.Args) {
		name, more := strings.CutSuffix(word, "...")
		v := named(strings.Trim(name, "[]"))
		if v.kind == nothing && strings.Contains(v.name, "|") {
			v.kind, v.words = words, strings.Split(v.name, "|")
		}
		v.more = more
		all = append(all, v)
	}
	return all
}

// named returns the value that help calls name.
func named(name string) value {
	v := value{name: name}
	for _, word := range strings.Split(name, "|") {
		switch {
		case word == "FILE" || word == "SOCKET":
			v.kind = files
		case word == "DIR" && v.kind == nothing:
			v.kind = dirs
		}
	}
	return v
}

// brief returns the first clause of a description.
func brief(about string) string {
	for _, end := range []string{"; ", ". ", " ("} {
		about, _, _ = strings.Cut(about, end)
	}
	return about
}

// errWriter writes text until the first error.
type errWriter struct {
	w   io.Writer
	err error
}

func (w *errWriter) line(parts ...string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.w, strings.Join(parts, "")+"\n")
	}
}
