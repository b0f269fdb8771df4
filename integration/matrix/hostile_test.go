package matrix

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/mounts"
	"dav207/fsbackend/quota"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/batch"
	"dav207/server/davpath"
)

// quotaMax is the quota of each mount, in bytes.
const quotaMax = 1000

// several is a server for several people: mounts with quotas, a tree for each user, and rules.
type several struct {
	*testing.T
	dir     string
	handler http.Handler
	limits  map[string]*quota.Limit
}

// disk opens a directory with files, "/a/b=content" or "/a/", and a quota.
func (s *several) disk(name string, files ...string) fsbackend.Backend {
	s.Helper()
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		s.Fatal(err)
	}
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			s.Fatal(err)
		}
	}
	d, err := disk.Open(dir, nil)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { d.Close() })
	limit := quota.NewLimit(quotaMax)
	b, err := quota.New(s.Context(), d.Backend(), limit)
	if err != nil {
		s.Fatal(err)
	}
	s.limits[name] = limit
	return b
}

func newSeveral(t *testing.T, secret ...string) *several {
	s := &several{T: t, dir: t.TempDir(), limits: map[string]*quota.Limit{}}
	m, err := mounts.New(t.Context(), []mounts.Mount{
		{Path: "/", Files: s.disk("root", "/free=free", "/t/z=z", "/covered/x=x")},
		{Path: "/pub", Files: s.disk("pub", append([]string{"/a=a", "/d/x=x"}, secret...)...)},
		{Path: "/ro", ReadOnly: true, Files: s.disk("ro", "/r=r", "/d/x=x")},
		{Path: "/proj/open", Files: s.disk("open", "/o=o")},
		{Path: "/pub/m", Files: s.disk("m", "/m=HIDDEN")},
		{Path: "/proj/secret", Files: s.disk("secret", "/s=HIDDEN")},
		{Path: "/home/{user}", Open: func(ctx context.Context, user string) (fsbackend.Backend, func() error, error) {
			return s.disk("home-"+user, "/f=HIDDEN"), nil, nil
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	for _, user := range []string{"joe", "jane"} {
		if _, err := m.Stat(access.WithPrincipal(t.Context(), user), davpath.Must("/home/"+user)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := rules.Compile([]rules.Rule{
		{Who: []string{"everybody"}, Allow: []string{"read"}},
		{Who: []string{"jane", "joe"}, Allow: []string{"all"}},
		{Who: []string{"joe"}, Hide: true, Path: "/pub/h"},
		{Who: []string{"joe"}, Hide: true, Path: "/t/h"},
		{Who: []string{"joe"}, Hide: true, Path: "/proj/secret"},
		{Who: []string{"joe"}, Hide: true, Path: "/pub/m"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = batch.New(server.New(m, &server.Options{Policy: m.Policy(list)}), nil)
	return s
}

// send sends a request as a user, whose target is sent as it is, and returns the answer.
func (s *several) send(user, method, target, body string, headers ...string) string {
	s.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		s.Fatal(err)
	}
	r.URL, r.RequestURI = u, target
	for _, h := range headers {
		if name, value, ok := strings.Cut(h, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r.WithContext(access.WithPrincipal(r.Context(), user)))
	return fmt.Sprint(w.Code, " ", w.Header(), " ", w.Body)
}

// guardedFiles are those that joe must not change, and those that he must not see, whose content is
// HIDDEN.
var guardedFiles = map[string]string{"pub/h/x": "HIDDEN", "m/m": "HIDDEN", "secret/s": "HIDDEN", "ro/r": "r", "home-jane/f": "HIDDEN"}

// checkProtected fails the test if one of guardedFiles has changed, or one is there that was not.
func (s *several) checkProtected(after string) {
	s.Helper()
	for name, want := range guardedFiles {
		if got, err := os.ReadFile(filepath.Join(s.dir, name)); string(got) != want {
			s.Errorf("%s left %q in %s, %v", after, got, name, err)
		}
	}
	for _, name := range []string{"ro", "secret", "m", "home-jane", "pub/h"} {
		if members, err := os.ReadDir(filepath.Join(s.dir, name)); err != nil || len(members) > 2 {
			s.Errorf("%s left %v in %s", after, members, name)
		}
	}
}

// varies matches what differs in answers about equal resources.
var varies = regexp.MustCompile(differs.String() + `|(Etag|Last-Modified):\[[^]]*\]|"(Etag|Last-Modified)":"(\\.|[^"])*"|<D:(getetag|getlastmodified|creationdate)>[^<]*|\d{4}-\d\d-\d\d[ T][\d:]+Z?|\d{16,}`)

// TestSpellings sends each request under other spellings of a path. The answer is that of the path
// itself, or that such a URL names nothing, and what is left does not depend on the spelling: rules,
// mounts and users' trees go by one canonical path.
func TestSpellings(t *testing.T) {
	spellings := []func(dir, name string) string{
		func(dir, name string) string { return dir + "/" + name },
		func(dir, name string) string { return dir + "//" + name },
		func(dir, name string) string { return "//" + dir[1:] + "/" + name },
		func(dir, name string) string { return dir + "/./" + name },
		func(dir, name string) string { return "/." + dir + "/" + name },
		func(dir, name string) string { return dir + "/%2e/" + name },
		func(dir, name string) string { return dir + "/none/../" + name },
		func(dir, name string) string { return dir + "/none/%2E%2e/" + name },
		func(dir, name string) string { return "/t/.." + dir + "/" + name },
		func(dir, name string) string { return dir + "/" + fmt.Sprintf("%%%02x", name[0]) + name[1:] },
		func(dir, name string) string { return fmt.Sprintf("/%%%02X", dir[1]) + dir[2:] + "/" + name },
		func(dir, name string) string { return dir + "/" + name + "?x=" + name },
		// What follows names nothing that is there.
		func(dir, name string) string { return dir + "%2f" + name },
		func(dir, name string) string { return dir + "/x%2f..%2f" + name },
		func(dir, name string) string { return dir + `/x%5c..%5c` + name },
		func(dir, name string) string { return dir + "%5c" + name },
		func(dir, name string) string { return dir + "/%252e/" + name },
		func(dir, name string) string { return dir + "/" + name + "%00" },
		func(dir, name string) string { return dir + "/" + name + "%20" },
		func(dir, name string) string { return dir + "/" + name + ";x" },
		func(dir, name string) string { return dir + "/%ef%bc%8e%ef%bc%8e/" + name }, // full-width dots
		func(dir, name string) string { return dir + "/" + name + "%e2%80%8b" },
		func(dir, name string) string { return "/../.." + dir + "/" + name },
	}
	const canonical = 12 // the first ones are other spellings of the path
	targets := [][2]string{{"/pub", "h"}, {"/pub/h", "x"}, {"/pub", "m"}, {"/proj", "secret"}, {"/proj/secret", "s"}, {"/home", "jane"}, {"/home/jane", "f"}, {"/ro", "r"}, {"/ro", "new"}}
	requests := []struct{ method, body, header string }{
		{"GET", "", ""}, {"PROPFIND", "", "Depth: 1"}, {"PUT", "new", ""}, {"DELETE", "", ""}, {"MKCOL", "", ""}, {"PROPPATCH", propertyP, ""},
		{"LOCK", harness.ExclusiveLock, ""}, {"COPY", "", "Destination: /free2"}, {"MOVE", "", "Destination: /free2"},
		{"to", "", "COPY"}, {"to", "", "MOVE"}, {"OPTIONS", "", ""}, {"POST", "", ""}, {"batch", "", "GET"}, {"batch", "", "PUT"},
	}
	for _, target := range targets {
		t.Run(harness.NoSlash(target[0]+" "+target[1]), func(t *testing.T) {
			t.Parallel()
			for _, r := range requests {
				var want string
				var s *several
				for i, spell := range spellings {
					if s == nil { // the first, or the one before has changed something
						s = newSeveral(t, "/h/x=HIDDEN")
					}
					got, name := "", spell(target[0], target[1])
					switch r.method {
					case "to":
						got = s.send("joe", r.header, "/free", "", "Destination: "+name)
					case "batch":
						body := fmt.Sprintf(`{"requests":[{"id":"1","method":%q,"url":%q,"body":"x"}]}`, r.header, name)
						got = s.send("joe", "POST", "/$batch", body, "Content-Type: application/json")
					default:
						got = s.send("joe", r.method, name, r.body, r.header)
					}
					got = varies.ReplaceAllString(got, "-")
					if i == 0 {
						want = got
					}
					// In header fields and batches "//x" is a host, and a Destination has no query (§8.3).
					reference := r.method == "to" && strings.Contains(name, "?") || (r.method == "to" || r.method == "batch") && strings.HasPrefix(name, "//")
					if i < canonical && got != want && !reference {
						t.Errorf("%s %s %s\n got %s\nwant %s", r.method, name, r.header, got, want)
					}
					if strings.Contains(got, "HIDDEN") {
						t.Errorf("%s %s %s shows %s", r.method, name, r.header, got)
					}
					s.checkProtected(r.method + " " + name + " " + r.header)
					if got[0] == '2' && r.method != "GET" && r.method != "PROPFIND" && r.method != "OPTIONS" {
						s = nil
					}
				}
			}
		})
	}
}

// TestStorm has users write, copy, move and remove in two mounts with quotas at once. No quota is
// ever exceeded, and at the end the numbers are what the files have.
func TestStorm(t *testing.T) {
	s := newSeveral(t)
	var work sync.WaitGroup
	var requests sync.RWMutex // held for writing while nobody requests anything
	send := func(method, name, body string, header ...string) {
		requests.RLock()
		defer requests.RUnlock()
		s.send("joe", method, name, body, header...)
	}
	check := func(after any) {
		requests.Lock()
		defer requests.Unlock()
		for name, limit := range s.limits {
			used, left := limit.Usage()
			if size := sizeOf(t, filepath.Join(s.dir, name)); used != size || used > quotaMax || used+left != quotaMax {
				t.Errorf("%v: %s has used %d, left %d of %d, and its files have %d", after, name, used, left, quotaMax, size)
			}
		}
	}
	for i := range 8 {
		work.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			dirs := []string{"/", "/pub/", "/home/joe/"}
			name := func() string { return dirs[r.IntN(3)] + string(rune('p'+r.IntN(4))) }
			for n := range 150 {
				switch a, b := name(), name(); r.IntN(6) {
				case 0, 1:
					send("PUT", a, strings.Repeat("x", r.IntN(600)))
				case 2:
					send("COPY", a, "", "Destination: "+b)
				case 3:
					send("MOVE", a, "", "Destination: "+b)
				case 4:
					send("DELETE", a, "")
				case 5:
					send("MKCOL", a, "")
					send("PUT", a+"/x", strings.Repeat("x", r.IntN(300)))
				}
				if n%10 == i {
					check(n)
				}
			}
		})
	}
	work.Wait()
	check("at the end")
}

// sizeOf returns the bytes of the files of a directory, without those of the server.
func sizeOf(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".dav207") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return sum
}

// opens is a back end that counts how often a collection at or below a path is listed.
type opens struct {
	fsbackend.Backend
	path  davpath.Path
	count int
}

func (o *opens) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	if o.path.Contains(p) {
		o.count++
	}
	return o.Backend.OpenDir(ctx, p)
}

// TestHiddenIsNotListed: no request for what is around a hidden collection goes through that, which
// would take time that tells how much it holds.
func TestHiddenIsNotListed(t *testing.T) {
	list, err := rules.Compile([]rules.Rule{{Who: []string{"joe"}, Allow: []string{"all"}}, {Who: []string{"joe"}, Hide: true, Path: "/t/h"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ method, name, body, header string }{
		{"LOCK", "/t/", harness.ExclusiveLock, "Depth: infinity"},
		{"PROPFIND", "/t/", "", "Depth: infinity"},
		{"GET", "/t/", "", ""},
		{"DELETE", "/t/", "", ""},
		{"COPY", "/t/", "", "Destination: /new/"},
		{"MOVE", "/t/", "", "Destination: /new/"},
		{"COPY", "/pub/", "", "Destination: /t/"},
		{"MOVE", "/pub/", "", "Destination: /t/"},
		{"DELETE", "/t/h/", "", ""},
		{"LOCK", "/t/h/", harness.ExclusiveLock, ""},
		{"PUT", "/t/h", "x", ""},
		{"COPY", "/free", "", "Destination: /t/h"},
	} {
		s := &several{T: t, dir: t.TempDir(), limits: map[string]*quota.Limit{}}
		files := &opens{Backend: s.disk("root", "/free=x", "/t/z=z", "/t/h/d/x=x", "/pub/a=a"), path: davpath.Must("/t/h")}
		s.handler = server.New(files, &server.Options{Policy: list})
		files.count = 0
		if got := s.send("joe", r.method, r.name, r.body, r.header); files.count > 0 {
			t.Errorf("%s %s lists what is hidden %d times: %s", r.method, r.name, files.count, got)
		}
	}
}

// TestHiddenPathsAreNotMeasured: a MOVE to a longer path does not tell how long hidden ones are.
func TestHiddenPathsAreNotMeasured(t *testing.T) {
	list, err := rules.Compile([]rules.Rule{{Who: []string{"joe"}, Allow: []string{"all"}}, {Who: []string{"joe"}, Hide: true, Path: "/t/h"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("/"+strings.Repeat("n", 199), 15) // of the 4096 bytes that a path can have
	for _, tt := range []struct {
		file string
		want string
	}{
		{"/t/h/x", "207"},
		{"/t/h" + long + "/x", "207"},
		{"/t/z" + long + "/x", "400"}, // what he sees
	} {
		s := &several{T: t, dir: t.TempDir(), limits: map[string]*quota.Limit{}}
		files := s.disk("root", "/t/h/y=y", "/to/f=f")
		deep := davpath.Root
		for segment := range davpath.Must(tt.file).Parent().Segments() {
			if deep = deep.Child(segment); files.Mkdir(t.Context(), deep) != nil {
				continue // it is there
			}
		}
		s.handler = server.New(files, &server.Options{Policy: list})
		dst := "/to"
		for range 6 {
			dst += "/" + strings.Repeat("d", 199)
			s.send("joe", "MKCOL", dst, "")
		}
		if got := s.send("joe", "MOVE", "/t/", "", "Destination: "+dst+"/t"); got[:3] != tt.want {
			t.Errorf("with %.20s... of %d bytes: %s, want %s", tt.file, len(tt.file), got, tt.want)
		}
	}
}

// TestErrorsDoNotShowTheDisk: neither a body nor a header field of a refusal has the name of the
// directory on the disk.
func TestErrorsDoNotShowTheDisk(t *testing.T) {
	s := newSeveral(t)
	root := filepath.Join(s.dir, "root")
	if err := os.Symlink(s.dir, filepath.Join(root, "out")); err != nil {
		t.Skip(err)
	}
	for name, to := range map[string]string{"loop": "loop", "broken": "none", "up": "../pub"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	failed := 0
	for _, name := range []string{"/out", "/out/pub/a", "/loop", "/loop/x", "/broken", "/broken/x", "/up/a", "/free/x", "/t", "/none/x", "/" + strings.Repeat("n", 300),
		"/%01", "/%ff", "/.dav207/x", "/ro/r", "/ro/new", "/proj/x", "/home/jane/f", "/pub/d/"} {
		for _, accept := range []string{"application/xml", "application/json"} {
			for _, r := range []struct{ method, body, header string }{
				{"GET", "", ""}, {"PUT", "x", ""}, {"PUT", strings.Repeat("x", 2*quotaMax), ""}, {"MKCOL", "", ""}, {"PROPFIND", "", "Depth: infinity"},
				{"PROPPATCH", propertyP, ""}, {"LOCK", harness.ExclusiveLock, ""}, {"UNLOCK", "", "Lock-Token: <urn:x>"}, {"COPY", "", "Destination: /pub/copy"},
				{"MOVE", "", "Destination: /ro/moved"}, {"POST", "", ""}, {"BREW", "", ""},
			} {
				got := s.send("joe", r.method, name, r.body, r.header, "Accept: "+accept)
				if strings.Contains(got, s.dir) || strings.Contains(got, filepath.Base(s.dir)+"/") || strings.Contains(got, os.TempDir()+"/") {
					t.Errorf("%s %s: %s", r.method, name, got)
				}
				if got[0] >= '4' {
					failed++
				}
			}
			s.send("joe", "COPY", "/free", "", "Destination: "+name, "Accept: "+accept)
		}
	}
	if failed < 200 {
		t.Errorf("only %d requests failed", failed)
	}
}

// TestDeniedLockIsBounded: a LOCK that many members prevent names some of them (RFC 4918 §9.10.3) and
// no more than it can hold in memory.
func TestDeniedLockIsBounded(t *testing.T) {
	list, err := rules.Compile([]rules.Rule{{Who: []string{"joe"}, Allow: []string{"all"}}, {Who: []string{"joe"}, Deny: []string{"lock"}, Path: "/t/d/**"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &several{T: t, dir: t.TempDir(), limits: map[string]*quota.Limit{}}
	var names []string
	for i := range 1500 {
		names = append(names, fmt.Sprintf("/t/d/%d=", i))
	}
	s.handler = server.New(s.disk("root", names...), &server.Options{Policy: list})
	got := s.send("joe", "LOCK", "/t/", harness.ExclusiveLock)
	if n := strings.Count(got, " 403 "); got[:3] != "207" || n != 1000 || strings.Count(got, " 424 ") != 1 {
		t.Errorf("%.100s... has %d members, want 207 with 1000 and 424 for /t/", got, n)
	}
	if got := s.send("joe", "PUT", "/t/x", "x"); got[:3] != "201" {
		t.Errorf("a refused LOCK has locked: %s", got)
	}
}
