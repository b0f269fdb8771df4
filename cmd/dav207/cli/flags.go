package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// ParseOnce parses a command line. A flag that is given twice is an error, unless it collects
// values.
func ParseOnce(flags *pflag.FlagSet, args []string) error {
	seen := map[string]bool{}
	return flags.ParseAll(args, func(f *pflag.Flag, value string) error {
		if seen[f.Name] && !Collects(f) {
			return fmt.Errorf("--%s is given twice", f.Name)
		}
		seen[f.Name] = true
		return flags.Set(f.Name, value)
	})
}

// NewFlags returns an empty set of flags, which prints nothing itself.
func NewFlags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.SortFlags = false
	return flags
}

// Choice is a flag that accepts one of several words. The first is the default.
type Choice struct {
	Words   []string
	Value   string
	Removed map[string]string // words that were removed, with what to use instead
}

// NewChoice returns a flag that accepts words.
func NewChoice(words ...string) *Choice { return &Choice{Words: words, Value: words[0]} }

// String implements pflag.Value.
func (c *Choice) String() string { return c.Value }

// Type implements pflag.Value. Help prints it.
func (c *Choice) Type() string { return strings.Join(c.Words, "|") }

// Set implements pflag.Value.
func (c *Choice) Set(s string) error {
	for _, w := range c.Words {
		if s == w {
			c.Value = s
			return nil
		}
	}
	if instead, ok := c.Removed[s]; ok {
		return RemovedFlag(instead).Set(s)
	}
	return fmt.Errorf("must be %s", strings.Join(c.Words, " or "))
}

// Removed adds a flag that was removed: it is an error that says what to use instead.
func Removed(flags *pflag.FlagSet, name, instead string) {
	flags.Var(RemovedFlag(instead), name, "")
	flags.MarkHidden(name)
}

// RemovedFlag is a flag that was removed. Its text says what to use instead.
type RemovedFlag string

// String implements pflag.Value.
func (RemovedFlag) String() string { return "" }

// Type implements pflag.Value.
func (RemovedFlag) Type() string { return "" }

// Set implements pflag.Value.
func (f RemovedFlag) Set(string) error { return errors.New("was removed: " + string(f)) }

// Collects reports whether a flag may be given more than once.
func Collects(f *pflag.Flag) bool {
	_, ok := f.Value.(interface{ Collects() })
	_, list := f.Value.(pflag.SliceValue)
	return ok || list
}
