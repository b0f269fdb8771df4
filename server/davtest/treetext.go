package davtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/afero"
	"golang.org/x/tools/txtar"

	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// The sections of a tree as text, an archive of golang.org/x/tools/txtar:
//
//	-- /c/ --              a collection
//	-- /c/1 --             a file
//	-- unended /c/2 --     a file that does not end in a line feed: the last one here is not in it
//	-- base64 /c/3 --      any other file
//	-- properties /c/1 --  its dead properties, an element of XML each
//	-- times --            lines of a time and a name: 2024-02-29T12:00:00Z /c/1
//	-- locks --            lines such as: exclusive infinity jane 3600 urn:uuid:… /c/
//
// Names are not escaped. A dash stands for no user, and for a token that is chosen. Collections on
// the way to a resource go without saying.
const (
	unendedSection    = "unended"
	base64Section     = "base64"
	propertiesSection = "properties"
	timesSection      = "times"
	locksSection      = "locks"
)

// AddTree adds the resources of a tree as text, and replaces those that exist: see the README for
// the format. The error is a *LineError; then nothing is added.
func (s *Server) AddTree(text string) error {
	before, err := s.read(true)
	if err == nil {
		err = s.try(before, text)
	}
	if err != nil {
		return err
	}
	return s.write(text)
}

// ReplaceTree is AddTree after everything that was there is removed.
func (s *Server) ReplaceTree(text string) error {
	if err := s.try("", text); err != nil {
		return err
	}
	if err := s.removeState(); err != nil {
		return err
	}
	names, err := afero.ReadDir(s.files, "/")
	for _, info := range names {
		err = errors.Join(err, s.files.RemoveAll("/"+info.Name()))
	}
	if err != nil {
		return err
	}
	return s.write(text)
}

// try returns the mistake in a tree that is to be added to another one. It changes nothing.
func (s *Server) try(tree, added string) error {
	scratch := &Server{files: memory.New(nil), store: &props.Memory{}, clock: s.clock,
		locks: locks.New(&locks.Options{Now: s.clock.now}), setup: make(map[string]bool)}
	if err := scratch.write(tree); err != nil {
		return err
	}
	return scratch.write(added)
}

// fill makes the tree of the start, and makes it again from its text: how the tree was described
// must not show in entity tags.
func (s *Server) fill(from fs.FS, text string) (err error) {
	if from != nil {
		if err := s.copyFrom(from); err != nil {
			return err
		}
	}
	if err := s.write(text); err != nil {
		return err
	}
	if s.first, err = s.read(true); err != nil || s.first == "" || !s.resettable() {
		return err
	}
	return s.restore()
}

// Tree returns everything there is as text, with properties, locks and the times that are not those
// of the clock at its start. What AddTree makes of it on an empty server is the same tree.
func (s *Server) Tree() string {
	s.t.Helper()
	text, err := s.read(false)
	s.check(err)
	return text
}

// write adds a tree. Its error is a *LineError.
func (s *Server) write(text string) error {
	archive := txtar.Parse([]byte(text))
	line := 1 + bytes.Count(archive.Comment, []byte("\n"))
	if len(bytes.TrimSpace(archive.Comment)) > 0 && len(archive.Files) == 0 {
		return &LineError{"tree", 1, errors.New("a tree begins with a line such as -- /c/1 --")}
	}
	for _, f := range archive.Files {
		if n, err := s.writeSection(f.Name, f.Data); err != nil {
			return &LineError{"tree", line + n, err}
		}
		line += 1 + bytes.Count(f.Data, []byte("\n"))
	}
	return nil
}

// writeSection applies a section. n is the number of the line in it that is wrong, counted from 1;
// 0 is its head.
func (s *Server) writeSection(head string, data []byte) (n int, err error) {
	kind, name, ok := strings.Cut(head, " ")
	if strings.HasPrefix(head, "/") {
		kind, name, ok = "", head, true
	}
	if kind == "link" {
		return 0, errors.New("the tree in memory has no symbolic links: they take a directory on a disk")
	}
	if kind == timesSection || kind == locksSection {
		return eachLine(data, map[string]func(string) error{timesSection: s.writeTime, locksSection: s.writeLock}[kind])
	}
	if !ok || !slices.Contains([]string{"", unendedSection, base64Section, propertiesSection}, kind) {
		return 0, fmt.Errorf("no section is called %q: it is the name of a resource, which begins with a slash, or unended, base64 or properties and a name, or times or locks", head)
	}
	p, err := parseName(name)
	if err != nil {
		return 0, fmt.Errorf("no resource is called %q: %w", name, err)
	}
	if kind == propertiesSection {
		return 1, s.writeProperties(p, data)
	}
	if strings.HasSuffix(name, "/") {
		if len(data) > 0 {
			return 1, fmt.Errorf("%s is a collection: it has no content", name)
		}
		return 0, s.files.MkdirAll(p.String(), 0o777)
	}
	switch kind {
	case unendedSection:
		data = bytes.TrimSuffix(data, []byte("\n"))
	case base64Section:
		if data, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), "")); err != nil {
			return 1, err
		}
	}
	return 0, s.writeFile(p.String(), data)
}

// parseName returns the path of a name in a tree, which has a slash at its end if it is a
// collection.
func parseName(name string) (davpath.Path, error) {
	if name == "/" {
		return davpath.Root, nil
	}
	name = strings.TrimSuffix(name, "/")
	p, err := davpath.Clean(name)
	switch {
	case err != nil:
		return p, err
	case p.Reserved():
		return p, errors.New("the name is reserved")
	case p.String() != name:
		return p, fmt.Errorf("it would be %q", p)
	}
	return p, nil
}

// eachLine calls use for each line that is not empty. n is the number of the line that is wrong.
func eachLine(data []byte, use func(string) error) (n int, err error) {
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := use(line); err != nil {
			return n, err
		}
	}
	return 0, nil
}

func (s *Server) writeTime(line string) error {
	when, name, _ := strings.Cut(line, " ")
	t, err := time.Parse(time.RFC3339Nano, when)
	if err != nil {
		return fmt.Errorf("%q does not begin with a time such as 2024-02-29T12:00:00Z", line)
	}
	return s.files.Chtimes(strings.TrimSpace(name), t, t)
}

// writeLock adds a lock: scope, depth, user, seconds, token, name.
func (s *Server) writeLock(line string) error {
	f := strings.SplitN(line, " ", 6)
	if len(f) < 6 || f[0] != "exclusive" && f[0] != "shared" || f[1] != "0" && f[1] != "infinity" {
		return fmt.Errorf("%q is no lock such as: exclusive infinity jane 3600 urn:uuid:… /c/", line)
	}
	seconds, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil || seconds == 0 {
		return fmt.Errorf("%q is no number of seconds", f[3])
	}
	p, err := davpath.Clean(strings.TrimSuffix(f[5], "/"))
	if err != nil {
		return err
	}
	if _, err := s.files.Stat(p.String()); err != nil {
		return fmt.Errorf("%s does not exist: only resources can be locked", f[5])
	}
	l := locks.Lock{Root: p, Shared: f[0] == "shared", Infinite: f[1] == "infinity", Timeout: time.Duration(seconds) * time.Second,
		Token: strings.TrimPrefix(f[4], "-"), Principal: strings.TrimPrefix(f[2], "-")}
	if l.Token == "" {
		l, err = s.locks.Create(l)
	} else {
		l.Expires = s.clock.now().Add(l.Timeout)
		if len(s.locks.Restore([]locks.Lock{l})) > 0 {
			err = fmt.Errorf("%s is locked already", f[5])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setup[l.Token] = true
	return err
}

// writeProperties replaces the dead properties of p.
func (s *Server) writeProperties(p davpath.Path, data []byte) error {
	root, err := davxml.Parse(strings.NewReader(`<prop xmlns:D="DAV:">`+string(data)+"</prop>"), nil)
	if err != nil {
		return err
	}
	var set []props.Property
	for _, e := range root.Children {
		q := props.Property{XMLName: e.Name, Lang: e.Lang}
		q.Attr, q.InnerXML = e.Content()
		set = append(set, q)
	}
	if _, err := s.files.Stat(p.String()); err != nil {
		return fmt.Errorf("%s does not exist: put it before its properties", p)
	}
	return s.store.Update(context.Background(), props.Set{Path: p, Properties: set})
}

// read returns the tree as text. realTimes adds the times if the clock is that of the machine.
func (s *Server) read(realTimes bool) (string, error) {
	names, err := s.names()
	if err != nil {
		return "", err
	}
	a := &txtar.Archive{}
	times := txtar.File{Name: timesSection}
	for _, name := range names {
		if name == "/" {
			continue
		}
		f, modified, err := s.readFile(name)
		if err != nil {
			return "", err
		}
		a.Files = append(a.Files, f)
		properties, err := s.readProperties(name)
		if err != nil {
			return "", err
		}
		if len(properties) > 0 {
			a.Files = append(a.Files, txtar.File{Name: propertiesSection + " " + name, Data: properties})
		}
		if !modified.Equal(s.clock.start) && (realTimes || !s.clock.start.IsZero()) {
			times.Data = fmt.Appendf(times.Data, "%s %s\n", modified.UTC().Format(time.RFC3339Nano), name)
		}
	}
	for _, f := range []txtar.File{times, {Name: locksSection, Data: s.readLocks()}} {
		if len(f.Data) > 0 {
			a.Files = append(a.Files, f)
		}
	}
	return string(txtar.Format(a)), nil
}

func (s *Server) readFile(name string) (f txtar.File, modified time.Time, err error) {
	info, err := s.files.Stat(name)
	if err != nil {
		return f, modified, err
	}
	f.Name, modified = name, info.ModTime()
	if info.IsDir() {
		return f, modified, nil
	}
	f.Data, err = afero.ReadFile(s.files, name)
	switch {
	case len(f.Data) == 0:
	case !utf8.Valid(f.Data) || bytes.Contains(f.Data, []byte("\r")) || len(txtar.Parse(f.Data).Files) > 0:
		f.Name, f.Data = base64Section+" "+name, []byte(base64.StdEncoding.EncodeToString(f.Data)+"\n")
	case !bytes.HasSuffix(f.Data, []byte("\n")):
		f.Name, f.Data = unendedSection+" "+name, append(f.Data, '\n')
	}
	return f, modified, err
}

// readProperties returns the dead properties of a resource, one in a line.
func (s *Server) readProperties(name string) (b []byte, err error) {
	properties, err := s.store.Get(context.Background(), davpath.Must(strings.TrimSuffix(name, "/")))
	for i := range properties {
		if b, err = multistatus.AppendProperty(b, &properties[i]); err != nil {
			break
		}
		b = append(b, '\n')
	}
	return b, err
}

func (s *Server) readLocks() (b []byte) {
	dash := func(v string) string {
		if v == "" {
			return "-"
		}
		return v
	}
	for _, l := range s.allLocks() {
		scope, depth := "exclusive", "0"
		if l.Shared {
			scope = "shared"
		}
		if l.Infinite {
			depth = "infinity"
		}
		b = fmt.Appendf(b, "%s %s %s %d %s %s\n", scope, depth, dash(l.Principal), int(l.Timeout.Seconds()), l.Token, l.Root)
	}
	return b
}

// copyFrom copies a file system into the tree.
func (s *Server) copyFrom(from fs.FS) error {
	type dated struct {
		name string
		time time.Time
	}
	var times []dated
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		to := path.Join("/", name)
		switch {
		case d.IsDir():
			err = s.files.MkdirAll(to, 0o777)
		case info.Mode().IsRegular():
			var b []byte
			if b, err = fs.ReadFile(from, name); err == nil {
				err = s.writeFile(to, b)
			}
		default:
			err = fmt.Errorf("%s is neither a file nor a directory: the tree in memory has no symbolic links and no devices", name)
		}
		if !info.ModTime().IsZero() {
			times = append(times, dated{to, info.ModTime()})
		}
		return err
	})
	for _, t := range times { // after the members, whose names change the times of collections
		if err == nil {
			err = s.files.Chtimes(t.name, t.time, t.time)
		}
	}
	return err
}
