package backendtest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

// testNames uses names that URLs, XML, shells or file systems treat specially.
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
	if got, _ := s.list("/c"); !slices.Equal(got, names) {
		s.Errorf("listed %q\nwant   %q", got, names)
	}
	for _, name := range names {
		dir := "/d" + name
		s.mkdir(dir)
		s.ok(s.b.Rename(s.ctx, at("/c/"+name), at(dir+"/"+name)))
		s.put(dir+"/"+name, "new")
		s.removeAll(dir)
		s.wantGone(dir, dir+"/"+name)
	}
	s.wantTree("after", "/c/")
	s.wantGone("/" + strings.Repeat("n", 5000))
}
