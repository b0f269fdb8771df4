package davtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
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
	"dav207/server/davheader"
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
// A name that ends in a space, or has characters that cannot be printed, is quoted as in Go, and so
// is the name of a user with a space. A dash stands for no user, and for a token that is chosen.
// Collections on the way to a resource go without saying.
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
	s.trees.Lock()
	defer s.trees.Unlock()
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
	s.trees.Lock()
	defer s.trees.Unlock()
	if err := s.try("", text); err != nil {
		return err
	}
	return again(func() error {
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
	})
}

// again makes a change of the whole tree, and makes it again if it fails: a client may have locked
// or removed something meanwhile.
func again(change func() error) (err error) {
	for range 100 {
		if err = change(); err == nil {
			return nil
		}
	}
	return err
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
	s.trees.Lock()
	text, err := s.read(false)
	s.trees.Unlock()
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
	if strings.HasPrefix(head, "/") || strings.HasPrefix(head, `"`) {
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
	name, p, err := parseQuoted(name)
	if err != nil {
		return 0, err
	}
	if kind == propertiesSection {
		return s.writeProperties(p, data)
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

// parseQuoted is parseName for a name that may be quoted. unquoted is the name.
func parseQuoted(name string) (unquoted string, p davpath.Path, err error) {
	unquoted = name
	switch {
	case strings.HasPrefix(name, `"`):
		unquoted, err = strconv.Unquote(name)
	case !utf8.ValidString(name):
		err = errors.New("it is no UTF-8 text")
	}
	if err == nil {
		p, err = parseName(unquoted)
	}
	if err != nil {
		return "", p, fmt.Errorf("no resource is called %q: %w", name, err)
	}
	return unquoted, p, nil
}

// quoteName returns a name for a section or the end of a line.
func quoteName(name string) string {
	if strings.HasSuffix(name, " ") || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
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
	_, p, err := parseQuoted(strings.TrimSpace(name))
	if err != nil {
		return err
	}
	if err := s.files.Chtimes(p.String(), t, t); err != nil {
		return fmt.Errorf("%s does not exist: put it before its time", p)
	}
	return nil
}

// writeLock adds a lock.
func (s *Server) writeLock(line string) error {
	l, err := parseLock(line)
	if err != nil {
		return err
	}
	if _, err := s.files.Stat(l.Root.String()); err != nil {
		return fmt.Errorf("%s does not exist: only resources can be locked", l.Root)
	}
	if l.Token == "" {
		l, err = s.locks.Create(l)
	} else {
		l.Expires = s.clock.now().Add(l.Timeout)
		if len(s.locks.Restore([]locks.Lock{l})) > 0 {
			err = fmt.Errorf("%s is locked already", l.Root)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setup[l.Token] = true
	return err
}

// parseLock parses a lock: scope, depth, user, seconds, token, name.
func parseLock(line string) (l locks.Lock, err error) {
	var f [6]string
	rest, ok := line, true
	for i := range f[:5] {
		f[i], rest, ok = cutWord(rest)
		if !ok {
			break
		}
	}
	f[5] = rest
	if !ok || f[0] != "exclusive" && f[0] != "shared" || f[1] != "0" && f[1] != "infinity" {
		return l, fmt.Errorf("%q is no lock such as: exclusive infinity jane 3600 urn:uuid:… /c/", line)
	}
	seconds, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil || seconds == 0 {
		return l, fmt.Errorf("%q is no number of seconds", f[3])
	}
	if _, ok := davheader.LockToken([]string{"<" + f[4] + ">"}); !ok && f[4] != "-" {
		return l, fmt.Errorf("the token %q is no absolute URI such as urn:uuid:… (RFC 4918 §6.5)", f[4])
	}
	l = locks.Lock{Shared: f[0] == "shared", Infinite: f[1] == "infinity", Timeout: time.Duration(seconds) * time.Second, Principal: f[2]}
	if strings.HasPrefix(line, f[0]+" "+f[1]+" - ") { // a user who is called so is quoted
		l.Principal = ""
	}
	if f[4] != "-" {
		l.Token = f[4]
	}
	_, l.Root, err = parseQuoted(f[5])
	return l, err
}

// cutWord returns the first word of a line, which may be quoted, and what follows the space after
// it.
func cutWord(line string) (word, rest string, ok bool) {
	if !strings.HasPrefix(line, `"`) {
		return strings.Cut(line, " ")
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err == nil {
		word, err = strconv.Unquote(quoted)
	}
	rest, ok = strings.CutPrefix(line[len(quoted):], " ")
	return word, rest, ok && err == nil
}

// quoteUser returns the name of a user for a line of a lock.
func quoteUser(name string) string {
	if name == "-" || strings.Contains(name, " ") || strings.HasPrefix(name, `"`) {
		return strconv.Quote(name)
	}
	return quoteName(name)
}

// computed reports whether the server has the value of a property, so that nobody can store one.
func computed(n xml.Name) bool {
	return n.Space == multistatus.Namespace && n.Local != "displayname" && n.Local != "getcontentlanguage" && slices.Contains(davProperties, n.Local)
}

// writeProperties replaces the dead properties of p. n is the number of the line that is wrong.
func (s *Server) writeProperties(p davpath.Path, data []byte) (n int, err error) {
	root, err := davxml.Parse(strings.NewReader(`<prop xmlns:D="DAV:">`+string(data)+"</prop>"), nil)
	if err != nil {
		return 1, err
	}
	var set []props.Property
	for text, e := range root.Mixed() {
		if text = strings.TrimSpace(text); text != "" {
			return 1, fmt.Errorf("%q is no element: properties are elements", text)
		}
		if e == nil {
			break
		}
		if computed(e.Name) {
			return 1, fmt.Errorf("%s is a value of the server's own: only other properties can be stored", e.Name.Local)
		}
		q := props.Property{XMLName: e.Name, Lang: e.Lang}
		q.Attr, q.InnerXML = e.Content()
		set = append(set, q)
	}
	if _, err := s.files.Stat(p.String()); err != nil {
		return 1, fmt.Errorf("%s does not exist: put it before its properties", p)
	}
	return 1, s.store.Update(context.Background(), props.Set{Path: p, Properties: set})
}

// read returns the tree as text. realTimes adds the times if the clock is that of the machine.
func (s *Server) read(realTimes bool) (string, error) {
	names, err := s.names()
	if err != nil {
		return "", err
	}
	a := &txtar.Archive{}
	times := txtar.File{Name: timesSection}
	there := make(map[string]bool, len(names)) // the paths
	for _, name := range names {
		f, modified, err := s.readFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a client removed it meanwhile
		}
		if err != nil {
			return "", err
		}
		there[withoutSlash(name)] = true
		if name != "/" {
			a.Files = append(a.Files, f)
		}
		properties, err := s.readProperties(name)
		if err != nil {
			return "", err
		}
		if len(properties) > 0 {
			a.Files = append(a.Files, txtar.File{Name: propertiesSection + " " + quoteName(name), Data: properties})
		}
		if !modified.Equal(s.clock.start) && (realTimes || !s.clock.start.IsZero()) {
			times.Data = fmt.Appendf(times.Data, "%s %s\n", modified.UTC().Format(time.RFC3339Nano), quoteName(name))
		}
	}
	for _, f := range []txtar.File{times, {Name: locksSection, Data: s.readLocks(there)}} {
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
	f.Name, modified = quoteName(name), info.ModTime()
	if info.IsDir() {
		return f, modified, nil
	}
	f.Data, err = afero.ReadFile(s.files, name)
	switch {
	case len(f.Data) == 0:
	case !utf8.Valid(f.Data) || bytes.Contains(f.Data, []byte("\r")) || len(txtar.Parse(f.Data).Files) > 0:
		f.Name, f.Data = base64Section+" "+f.Name, []byte(base64.StdEncoding.EncodeToString(f.Data)+"\n")
	case !bytes.HasSuffix(f.Data, []byte("\n")):
		f.Name, f.Data = unendedSection+" "+f.Name, append(f.Data, '\n')
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

// readLocks returns the locks of the resources that are there.
func (s *Server) readLocks(there map[string]bool) (b []byte) {
	for _, l := range s.allLocks() {
		if !there[l.Root.String()] {
			continue
		}
		scope, depth, user := "exclusive", "0", "-"
		if l.Shared {
			scope = "shared"
		}
		if l.Infinite {
			depth = "infinity"
		}
		if l.Principal != "" {
			user = quoteUser(l.Principal)
		}
		b = fmt.Appendf(b, "%s %s %s %d %s %s\n", scope, depth, user, int(l.Timeout.Seconds()), l.Token, quoteName(l.Root.String()))
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
