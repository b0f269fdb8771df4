package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
)

// variablePrefix begins the name of each environment variable that sets a flag: DAV207_READ_ONLY is
// --read-only.
const variablePrefix = "DAV207_"

// settings are the flags of serve, and what else the configuration file says.
type settings struct {
	serveOptions
	flags *pflag.FlagSet
	file  *config.File     // empty without --config
	lines []config.Setting // the flags that have their value from the file
}

// given returns the flags that were set on a command line.
func given(flags *pflag.FlagSet) (all []config.Setting) {
	flags.Visit(func(f *pflag.Flag) {
		for _, v := range values(f) {
			all = append(all, config.Setting{Name: f.Name, Value: v})
		}
	})
	return all
}

// values returns the values of a flag: several if it collects them.
func values(f *pflag.Flag) []string {
	text := f.Value.String()
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	if cli.Collects(f) {
		return strings.Fields(text)
	}
	return []string{text}
}

// readSettings returns the settings for the flags of a command line.
func readSettings(commandLine []config.Setting, lookup func(string) (string, bool)) (*settings, error) {
	s := &settings{}
	s.flags = serveFlags(&s.serveOptions)
	for _, g := range commandLine {
		if err := s.flags.Set(g.Name, g.Value); err != nil {
			return nil, cli.Usage(err)
		}
	}
	var err error
	if s.file, err = settle(s.flags, lookup); err != nil {
		return s, err
	}
	for _, line := range s.file.Flags {
		if s.flags.Lookup(line.Name).Annotations[fromFileOnly] != nil {
			s.lines = append(s.lines, line)
		}
	}
	s.useStateDirectory(lookup)
	return s, nil
}

// fromFileOnly marks the flags that have their value from the file.
const fromFileOnly = "file"

// inFile returns err with the configuration file, and the line of what is wrong there: an error
// about a flag names it, or has its value in quotes. Other errors stay as they are.
func (o *settings) inFile(err error) error {
	if mistake := (*config.Error)(nil); errors.As(err, &mistake) {
		if mistake.File == "" {
			mistake.File = o.config
			return cli.Usage(mistake)
		}
		return err
	}
	if err == nil {
		return nil
	}
	for _, mentions := range []func(config.Setting) string{
		func(s config.Setting) string { return "--" + s.Name + " " },
		func(s config.Setting) string { return strconv.Quote(s.Value) },
		func(s config.Setting) string { return "--" + s.Name },
	} {
		for _, s := range o.lines {
			if strings.Contains(err.Error(), mentions(s)) {
				mistake := &config.Error{File: o.config, Line: s.Line, Err: err}
				if errors.As(err, new(cli.UsageError)) {
					return cli.Usage(mistake)
				}
				return mistake
			}
		}
	}
	return err
}

// settle gives each flag that the command line does not set its value in the environment, or else
// in the file of --config. It returns what else that file says.
func settle(flags *pflag.FlagSet, lookup func(string) (string, bool)) (*config.File, error) {
	if err := fromEnvironment(flags, lookup); err != nil {
		return nil, err
	}
	name := flags.Lookup("config").Value.String()
	if name == "" {
		return &config.File{}, nil
	}
	var keys []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" {
			keys = append(keys, f.Name)
		}
	})
	file, err := config.Read(name, keys)
	if mistake := (*config.Error)(nil); errors.As(err, &mistake) {
		return nil, cli.Usage(err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Usagef("there is no file %q", name)
	}
	if err != nil {
		return nil, cli.FileError("read", name, err)
	}
	return file, fromFile(flags, file, name)
}

// variable returns the name of the environment variable of a flag.
func variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets flags that are not set from their variables. A variable of a flag that
// collects values has one in each word. Other variables with the prefix are ignored: Kubernetes
// sets some for a service that is called dav207.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(variable(f.Name))
		if !ok || f.Changed || f.Hidden {
			return
		}
		values := []string{value}
		if cli.Collects(f) {
			values = strings.Fields(value)
		}
		for _, v := range values {
			if e := f.Value.Set(v); e != nil && err == nil {
				err = cli.Usagef("the environment variable %s: %w", variable(f.Name), e)
			}
			f.Changed = true
		}
	})
	return err
}

// fromFile sets flags that are not set from the file called name.
func fromFile(flags *pflag.FlagSet, file *config.File, name string) error {
	before := map[string]bool{} // set by the command line or the environment
	flags.VisitAll(func(f *pflag.Flag) { before[f.Name] = f.Changed })
	for _, s := range file.Flags {
		f := flags.Lookup(s.Name)
		if before[s.Name] {
			continue
		}
		err := errors.New("it takes one value")
		if !f.Changed || cli.Collects(f) {
			err = f.Value.Set(s.Value)
		}
		if err != nil {
			return cli.Usage(&config.Error{File: name, Line: s.Line, Err: fmt.Errorf("%s: %w", s.Name, err)})
		}
		f.Changed = true
		f.Annotations = map[string][]string{fromFileOnly: {name}}
	}
	return nil
}
