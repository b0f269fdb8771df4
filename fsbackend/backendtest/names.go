package backendtest

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

// testPaths passes names that are not canonical: they mean what they say, and never something outside.
func testPaths(s *suite) {
	s.mkdir("/d")
	s.put("/d/f", "file")
	s.put("/top", "top")
	for _, name := range []string{"/d/f", "d/f", "//d//f", "/d/./f", "/d/x/../f", "/../d/f", "/../../d/f", "/d/f/"} {
		if got := s.get(name); got != "file" {
			s.Errorf("content of %q = %q", name, got)
		}
	}
	s.put("/../../up", "up")
	s.ok(s.fs.Rename(s.ctx, "/d/../up", "/d/../../up2"))
	s.wantTree("after", "/ /d/ /d/f=file /top=top /up2=up")
}

// testNames uses names that are easily mistaken for something else, by URLs, XML, shells and file systems.
func testNames(s *suite) {
	names := []string{
		"rem ote$%<>1 &é#?+;", "%2e%2e", "%2F", "a%", "...", "..a", ".hidden", " ", " lead", "trail ", "trail.", "-rf", "~", "*",
		"a\\b", "..\\up", "C:", "con", "nul", "new\nline", "tab\t", "\x01", "\x7f", "quote\"'`", "\u202eabc", "e\u0301", "é",
		"\U0001F600", strings.Repeat("n", 200), "A", "not\xffutf8", "\xc3",
	}
	if runtime.GOOS == "darwin" { // one name is the other there, in both pairs that differ by form or case only
		names = slices.DeleteFunc(names, func(n string) bool { return n == "é" || n == "A" || !utf8.ValidString(n) })
	}
	if runtime.GOOS == "windows" {
		names = slices.DeleteFunc(names, func(n string) bool {
			return strings.ContainsAny(n, "\\/:*?\"<>|\n\t\x01\x7f") || !utf8.ValidString(n) ||
				strings.Trim(n, ". ") != n || strings.EqualFold(n, "con") || strings.EqualFold(n, "nul")
		})
	}
	s.mkdir("/c")
	for i, name := range names {
		content := fmt.Sprint(i)
		s.put("/c/"+name, content)
		if got := s.get("/c/" + name); got != content {
			s.Errorf("%q holds %q, want %q", name, got, content)
		}
		if got := s.stat("/c/" + name).Name(); got != name {
			s.Errorf("%q is called %q", name, got)
		}
	}
	slices.Sort(names)
	if got := s.list("/c"); !slices.Equal(got, names) {
		s.Errorf("listed %q\nwant   %q", got, names)
	}
	for i, name := range names {
		dir := "/d" + name
		s.mkdir(dir)
		s.ok(s.fs.Rename(s.ctx, "/c/"+name, dir+"/"+name))
		if st, ok := s.fs.(stager); ok {
			if w, commit, err := st.Stage(s.ctx, dir+"/"+name); err == nil {
				fmt.Fprint(w, "staged ", i)
				s.ok(commit())
				s.ok(w.Close())
			}
		}
		s.ok(s.fs.RemoveAll(s.ctx, dir))
		if s.exists(dir + "/" + name) {
			s.Errorf("%q is still there", dir)
		}
	}
	s.wantTree("after", "/ /c/")

	_, err := s.fs.Stat(s.ctx, "/c/a\x00b")
	s.want("Stat of a name with NUL", err, fs.ErrNotExist)
	s.want("Mkdir of a name with NUL", s.fs.Mkdir(s.ctx, "/c/a\x00b", 0o777), fs.ErrInvalid)
	long := "/" + strings.Repeat("n", 5000)
	_, err = s.fs.Stat(s.ctx, long)
	s.want("Stat of a name that is too long", err, fs.ErrNotExist)
}
