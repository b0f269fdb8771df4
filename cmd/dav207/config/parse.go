package config

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"dav207/server/davpath"
)

// Parse parses a configuration file: see Read.
func Parse(data []byte, flags []string) (*File, error) {
	var documents []yaml.Node
	if err := yaml.Load(data, &documents, yaml.WithAllDocuments()); err != nil {
		return nil, loadError(err)
	}
	f := &File{Groups: map[string][]string{}}
	if len(documents) > 1 {
		return nil, mistake(&documents[1], "a configuration is one document, without another after ---")
	}
	if len(documents) == 0 || isNull(documents[0].Content[0]) {
		return f, nil // it is empty, or has comments only
	}
	keys := keys{"mounts": f.mounts, "groups": f.groups, "rules": f.rules}
	err := eachPair(documents[0].Content[0], "a configuration", func(key string, v *yaml.Node) error {
		if slices.Contains(flags, key) {
			return f.flag(key, v)
		}
		return keys.read(key, v, flags)
	})
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// check returns a mistake in what the file says as a whole.
func (f *File) check() error {
	_, err := f.Policy("")
	return err
}

// flag reads the value of a flag: a scalar, or a list of them for a flag that collects values.
func (f *File) flag(name string, n *yaml.Node) error {
	values := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		values = n.Content
	}
	for _, v := range values {
		text, err := scalar(v, name)
		if err != nil {
			return err
		}
		f.Flags = append(f.Flags, Setting{name, text, v.Line})
	}
	return nil
}

// groups reads a mapping of names to lists of users.
func (f *File) groups(n *yaml.Node) error {
	return eachPair(n, "groups", func(name string, v *yaml.Node) error {
		if v.Kind != yaml.SequenceNode {
			return mistake(v, "the members of group %s are a list, such as [anna, ben]", name)
		}
		if strings.HasPrefix(name, "@") {
			return mistake(v, "a group is named without @ here: want %s, and @ only in rules", strings.TrimLeft(name, "@"))
		}
		var err error
		f.Groups[name], err = list(v, "a member of group "+name)
		return err
	})
}

// rules reads a list of rules.
func (f *File) rules(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return mistake(n, "rules are a list, with items such as - {who: anna, allow: write, path: /photos/**}")
	}
	for _, item := range n.Content {
		r := Rule{Line: item.Line}
		if err := r.keys().readAll(item, "a rule"); err != nil {
			return err
		}
		f.Rules = append(f.Rules, r)
	}
	return nil
}

func (r *Rule) keys() keys {
	return keys{
		"who": func(n *yaml.Node) (err error) {
			r.Who, err = list(n, "who")
			return err
		},
		"allow": func(n *yaml.Node) (err error) {
			r.Allow, err = list(n, "allow")
			return err
		},
		"deny": func(n *yaml.Node) (err error) {
			r.Deny, err = list(n, "deny")
			return err
		},
		"hide": func(n *yaml.Node) (err error) {
			r.Hide, err = boolean(n, "hide")
			return err
		},
		"path": func(n *yaml.Node) (err error) {
			r.Path, err = scalar(n, "path")
			return err
		},
		"property": func(n *yaml.Node) (err error) {
			r.Property, err = scalar(n, "property")
			return err
		},
	}
}

// User stands for the name of the user in the path of a mount and in that of its directory.
const User = "{user}"

// mounts reads a mapping of URL paths to directories, or to mappings with more about them.
func (f *File) mounts(n *yaml.Node) error {
	return eachPair(n, "mounts", func(at string, v *yaml.Node) error {
		if !strings.HasPrefix(at, "/") || path.Clean(at) != at {
			return mistake(v, "a mount is at a path such as /photos, not at %q", at)
		}
		if i := slices.IndexFunc(strings.Split(at, "/"), davpath.Reserved); i >= 0 {
			return mistake(v, "the mount %s: the name %q is reserved for the server", at, strings.Split(at, "/")[i])
		}
		m := Mount{At: at, Line: v.Line}
		var err error
		if v.Kind == yaml.MappingNode {
			err = m.keys().readAll(v, "a mount")
		} else {
			m.Dir, err = scalar(v, at)
		}
		switch of := strings.Contains(at, User); {
		case err != nil:
		case !userIsSegment(at) || !userIsSegment(m.Dir):
			err = mistake(v, "the mount %s: %s is a whole segment of a path, once", at, User)
		case m.Dir == "":
			err = mistake(v, "the mount %s has no dir, the directory that is served there", at)
		case of && !strings.Contains(m.Dir, User):
			err = mistake(v, "the mount %s has one directory for all users: write %s in the path of the directory, too", at, User)
		case !of && strings.Contains(m.Dir, User):
			err = mistake(v, "the mount %s has a directory for each user: write %s in its own path, too, such as %s", at, User, path.Join(at, User))
		}
		f.Mounts = append(f.Mounts, m)
		return err
	})
}

// userIsSegment reports whether User is at most once in a path, and there a whole segment.
func userIsSegment(name string) bool {
	n := 0
	for s := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		switch {
		case s == User:
			n++
		case strings.Contains(s, User):
			return false
		}
	}
	return n <= 1
}

func (m *Mount) keys() keys {
	return keys{
		"dir": func(n *yaml.Node) (err error) {
			m.Dir, err = scalar(n, "dir")
			return err
		},
		"read-only": func(n *yaml.Node) (err error) {
			m.ReadOnly, err = boolean(n, "read-only")
			return err
		},
		"quota": func(n *yaml.Node) (err error) {
			m.Quota, err = size(n, "quota")
			return err
		},
	}
}

// keys are the keys that a mapping may have, with the function that reads the value of each.
type keys map[string]func(*yaml.Node) error

// read reads the value of key. flags are further keys that were possible.
func (k keys) read(key string, v *yaml.Node, flags []string) error {
	read, ok := k[key]
	if ok {
		return read(v)
	}
	possible := slices.Sorted(maps.Keys(k))
	want := strings.Join(possible, ", ")
	if len(flags) > 0 {
		want += ", or an option of serve"
	}
	if near := Nearest(key, append(possible, flags...)); near != "" {
		want += "; perhaps " + near + " is meant"
	}
	return mistake(v, "there is no key %q here: it is one of %s", key, want)
}

// readAll reads the values of a mapping.
func (k keys) readAll(n *yaml.Node, what string) error {
	return eachPair(n, what, func(key string, v *yaml.Node) error { return k.read(key, v, nil) })
}

// Nearest returns the one of words that key may be a misspelling of, "" for none.
func Nearest(key string, words []string) (word string) {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	best := min(2, len(key)/3) + 1
	for _, w := range words {
		if d := distance(plain(key), plain(w)); d < best {
			word, best = w, d
		}
	}
	return word
}

// distance returns how many bytes have to be inserted, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// eachPair calls read for each pair of a mapping. A key with the same name as an earlier one is a
// mistake.
func eachPair(n *yaml.Node, what string, read func(key string, v *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return mistake(n, "%s is a mapping, with lines such as key: value", what)
	}
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key, err := scalar(k, "a key")
		if err != nil {
			return err
		}
		if line := seen[key]; line > 0 {
			return mistake(k, "%s is in line %d, too", key, line)
		}
		seen[key] = k.Line
		if err := read(key, v); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns a value as it is written.
func scalar(n *yaml.Node, what string) (string, error) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		return "", mistake(n, "%s is one value", what)
	}
	return n.Value, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func boolean(n *yaml.Node, what string) (bool, error) {
	b, err := strconv.ParseBool(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return false, mistake(n, "%s is true or false", what)
	}
	return b, nil
}

var sizes = regexp.MustCompile(`^([0-9]+)(|[KMGT]i?B)$`)

// list returns one value, or a list of them.
func list(n *yaml.Node, what string) ([]string, error) {
	values := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		values = n.Content
	}
	all := []string{}
	for _, v := range values {
		text, err := scalar(v, what)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// size returns a number of bytes.
func size(n *yaml.Node, what string) (int64, error) {
	if n.Kind != yaml.ScalarNode {
		return 0, mistake(n, "%s %w", what, errSize)
	}
	bytes, err := ParseSize(n.Value)
	if err != nil {
		return 0, mistake(n, "%s %w", what, err)
	}
	return bytes, nil
}

var errSize = errors.New("is a number of bytes, such as 500MB or 10GiB")

// ParseSize returns a number of bytes, such as 500MB or 10GiB. Its errors go after the name of what
// has the size.
func ParseSize(s string) (int64, error) {
	m := sizes.FindStringSubmatch(s)
	if m == nil {
		return 0, errSize
	}
	bytes, err := strconv.ParseInt(m[1], 10, 64)
	factor := int64(1)
	if unit := m[2]; unit != "" {
		base := int64(1000)
		if strings.HasSuffix(unit, "iB") {
			base = 1024
		}
		for range strings.IndexByte("KMGT", unit[0]) + 1 {
			factor *= base
		}
	}
	if err != nil || bytes == 0 || bytes > 1<<62/factor {
		return 0, errors.New("is from 1 byte to 4 EiB")
	}
	return bytes * factor, nil
}

// mistake returns an error at the line of n.
func mistake(n *yaml.Node, format string, args ...any) error {
	return &Error{"", n.Line, fmt.Errorf(format, args...)}
}

// loadError returns an error of package yaml as an Error.
func loadError(err error) error {
	if all := (*yaml.LoadErrors)(nil); errors.As(err, &all) && len(all.Errors) > 0 {
		err = all.Errors[0]
	}
	if one := (*yaml.LoadError)(nil); errors.As(err, &one) {
		return &Error{"", one.Mark.Line, errors.New(one.Message + hint(one.Message))}
	}
	return &Error{"", 0, err}
}

// hint returns what would be right where package yaml says only what it found.
func hint(message string) string {
	switch {
	case strings.Contains(message, "cannot start any token"):
		return ": lines begin with spaces, not tabs, and a value that begins with @ or % is in quotes"
	case strings.Contains(message, "',' or"):
		return ": a bracket is not closed, or a value with {user} in it is not in quotes"
	case strings.Contains(message, "expected ':'"), strings.Contains(message, "mapping values"):
		return ": in a line such as key: value there is a space after the colon"
	}
	return ""
}
