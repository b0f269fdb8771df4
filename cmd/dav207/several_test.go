//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeSeveralPeople serves a configuration with mounts, rules, groups and a quota.
func TestServeSeveralPeople(t *testing.T) {
	dir, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	if want := "dav207 serves /photos, /music, /home/{user} at "; !strings.Contains(s.stdout.String(), want) {
		t.Errorf("stdout = %q, want %q in it", s.stdout.String(), want)
	}
	big := strings.Repeat("x", 1_000_001)
	s.ask(t, []request{
		{"", "GET", "/photos/", "", nil, 401},
		{"ann", "PUT", "/photos/a", "1", nil, 201},
		{"bob", "GET", "/photos/a", "", nil, 200},
		{"bob", "PUT", "/photos/a", "2", nil, 403},
		{"bob", "DELETE", "/photos/a", "", nil, 403},
		{"bob", "MOVE", "/photos/a", "", to("/home/bob/a"), 403},
		{"bob", "COPY", "/photos/a", "", to("/home/bob/a"), 201},
		{"ann", "PUT", "/music/a", "1", nil, 403},
		{"ann", "MKCOL", "/music/c/", "", nil, 403},
		{"ann", "LOCK", "/music/a", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`, nil, 403},
		{"ann", "PUT", "/a", "1", nil, 403},
		{"ann", "PUT", "/home/a", "1", nil, 403},
		{"ann", "GET", "/home/bob/a", "", nil, 403},
		{"ann", "PUT", "/home/ann/a", "1", nil, 201},
		{"ann", "PUT", "/home/ann/big", big, nil, 507},
		{"ann", "MOVE", "/photos/a", "", to("/home/ann/b"), 201},
		{"ann", "DELETE", "/photos", "", nil, 403},
	})
	_, body := do(t, "PROPFIND", s.base, "", append(as("ann", "secret"), "Depth", "infinity")...)
	for name, want := range map[string]bool{"/photos/": true, "/music/": true, "/home/ann/b": true, "/home/bob": false} {
		if got := strings.Contains(body, "<D:href>"+name); got != want {
			t.Errorf("%s in the tree of ann: %v, want %v\n%s", name, got, want, body)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "home", "ann", "b")); string(text) != "1" {
		t.Errorf("the file that was moved has %q, %v", text, err)
	}
}

// The innermost mount decides whether it is read-only, with rules and without.
func TestMountsInReadOnlyOnes(t *testing.T) {
	text := strings.NewReplacer("/photos: DIR/photos", "/music/photos: DIR/photos", "/home/{user}:", "/music/home/{user}:", "/photos/**", "/music/photos/**").Replace(severalPeople)
	without, _, _ := strings.Cut(text, "rules:")
	for _, text := range []string{text, without} {
		_, file := writeConfig(t, text)
		s := startCommand(t, "serve", "--config", file)
		s.ask(t, []request{
			{"ann", "PUT", "/music/a", "1", nil, 403},
			{"ann", "PUT", "/music/photos/a", "1", nil, 201},
			{"ann", "PUT", "/music/home/ann/a", "1", nil, 201},
			{"ann", "PUT", "/music/home/bob/a", "1", nil, 403},
			{"ann", "MOVE", "/music/photos/a", "", to("/music/a"), 403},
			{"ann", "MOVE", "/music/photos/a", "", to("/music/home/ann/b"), 201},
		})
	}
}

// A guest is asked to log in for what needs a right, and not for what everybody is refused.
func TestGuestsAreAskedForRights(t *testing.T) {
	_, file := writeConfig(t, severalPeople+"guests: read\ndepth-infinity: deny\n")
	s := startCommand(t, "serve", "--config", file)
	s.ask(t, []request{
		{"", "PUT", "/photos/a", "1", nil, 401},
		{"", "PROPFIND", "/home/ann", "", []string{"Depth", "0"}, 401},
		{"", "PROPFIND", "/photos", "", []string{"Depth", "1"}, 207},
	})
	for _, header := range [][]string{nil, as("ann", "secret")} {
		code, body := do(t, "PROPFIND", s.base+"photos", "", append(header, "Depth", "infinity")...)
		if code != 403 || !strings.Contains(body, "<D:propfind-finite-depth/>") { // RFC 4918 §9.1.1
			t.Errorf("PROPFIND with Depth infinity = %d %s, want 403 and propfind-finite-depth", code, body)
		}
	}
}

// Whether there are rules or not, nobody ends the lock of somebody else, and nobody locks others out
// of their own folders.
func TestLocksOfSeveralPeople(t *testing.T) {
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	without, _, _ := strings.Cut(severalPeople, "rules:")
	for _, text := range []string{severalPeople, without} {
		_, file := writeConfig(t, text)
		s := startCommand(t, "serve", "--config", file)
		s.ask(t, []request{{"ann", "PUT", "/photos/a", "1", nil, 201}, {"ann", "LOCK", "/home", lock, nil, 403}, {"ann", "LOCK", "/", lock, nil, 403}})
		r, err := http.NewRequest("LOCK", s.base+"photos/a", strings.NewReader(lock))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ann", "secret")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		token := []string{"Lock-Token", resp.Header.Get("Lock-Token")}
		s.ask(t, []request{{"bob", "UNLOCK", "/photos/a", "", token, 403}, {"ann", "UNLOCK", "/photos/a", "", token, 204}})
	}
}

// reloadWith replaces the configuration, and waits for what the log says of it.
func (s *instance) reloadWith(t *testing.T, file, text, log string) {
	t.Helper()
	replaceConfig(t, file, text)
	before := strings.Count(s.stderr.String(), log)
	hangup(t)
	eventually(t, "the log has "+log, func() bool { return strings.Count(s.stderr.String(), log) > before })
}

const readAgain = "the configuration was read again"

// TestReload holds what SIGHUP changes, and that a mistake changes nothing.
func TestReload(t *testing.T) {
	_, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	s.ask(t, []request{{"ann", "PUT", "/photos/a", "1", nil, 201}, {"ann", "PUT", "/home/ann/a", "1", nil, 201}})
	s.reloadWith(t, file, strings.ReplaceAll(severalPeople, "[ann]", "[bob]"), readAgain)
	s.ask(t, []request{{"ann", "PUT", "/photos/a", "2", nil, 403}, {"bob", "PUT", "/photos/a", "2", nil, 204}})
	for _, mistake := range []string{"bad: key\n", "rules: []\n", "  - {who: '@none', allow: read}\n"} {
		s.reloadWith(t, file, severalPeople+mistake, "the configuration stays as it was")
		s.ask(t, []request{{"ann", "PUT", "/photos/a", "2", nil, 403}, {"bob", "PUT", "/photos/a", "3", nil, 204}})
	}
	s.reloadWith(t, file, strings.ReplaceAll(severalPeople, "DIR/music", "DIR/none"), "the configuration stays as it was")
	s.ask(t, []request{{"bob", "PUT", "/photos/a", "3", nil, 204}})

	// Mounts come and go, quotas change, and what needs a restart is said.
	text := strings.NewReplacer("/photos: DIR/photos", "/pictures: DIR/photos", "quota: 1MB", "quota: 1", "127.0.0.1:0", "127.0.0.1:1", "/photos/**", "/pictures/**").Replace(severalPeople)
	s.reloadWith(t, file, text, readAgain)
	if log := s.stderr.String(); !strings.Contains(log, "keys=addr") {
		t.Errorf("the log does not say that the address needs a restart: %s", log)
	}
	s.ask(t, []request{
		{"ann", "GET", "/photos/a", "", nil, 404},
		{"ann", "GET", "/pictures/a", "", nil, 200},
		{"ann", "PUT", "/pictures/a", "4", nil, 204},
		{"ann", "PUT", "/home/ann/a", "22", nil, 507},
		{"ann", "PUT", "/home/ann/a", "2", nil, 204},
	})
}

// Wrong passwords are counted on across a reload, so that nobody gets more guesses by it, and who
// is remembered stays so.
func TestReloadForgivesNoGuesses(t *testing.T) {
	_, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	s.ask(t, []request{{"ann", "GET", "/home/ann/", "", nil, 200}})
	guess := func(n int) int {
		code, _ := do(t, "GET", s.base, "", as("ann", fmt.Sprint("guess", n))...)
		return code
	}
	n := 0
	for n < 20 && guess(n) == 401 {
		n++
	}
	for range 3 {
		s.reloadWith(t, file, severalPeople, readAgain)
		if code := guess(n); code != 429 {
			t.Errorf("after %d guesses and a reload another one is %d, want 429", n, code)
		}
		s.ask(t, []request{{"ann", "GET", "/home/ann/", "", nil, 200}})
	}
}

// A directory that was replaced, as that of a disk is when it is mounted, is served after a reload,
// and one that is gone is a mistake. So are those of users.
func TestReloadOpensReplacedDirectories(t *testing.T) {
	dir, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	s.ask(t, []request{{"ann", "PUT", "/photos/a", "1", nil, 201}, {"ann", "PUT", "/home/ann/a", "1", nil, 201}})
	for _, name := range []string{"photos", "home/ann"} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Rename(at, at+".old"); err != nil {
			t.Fatal(err)
		}
		if name == "photos" {
			s.reloadWith(t, file, severalPeople, "the configuration stays as it was")
			s.ask(t, []request{{"ann", "GET", "/photos/a", "", nil, 200}})
		}
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		s.reloadWith(t, file, severalPeople, readAgain)
		s.ask(t, []request{{"ann", "GET", "/" + name + "/a", "", nil, 404}, {"ann", "PUT", "/" + name + "/b", "1", nil, 201}})
		if _, err := os.Stat(filepath.Join(at, "b")); err != nil {
			t.Error(err)
		}
	}
}

// What needs a restart does not count before it: passwords are not asked for on an address without
// TLS because the file has TLS now, and the field of a proxy is not believed because the file has
// the proxy now.
func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	const text = "addr: 0.0.0.0:0\nstate: memory\nanonymous: true\nmounts: {/photos: DIR/photos}\n"
	_, file := writeConfig(t, text)
	s := startCommand(t, "serve", "--config", file)
	for _, tt := range []struct{ text, keys string }{
		{"addr: 0.0.0.0:0\nstate: memory\nusers: DIR/users\ntls-self-signed: true\nmounts: {/photos: DIR/photos}\n", "keys=\"tls-self-signed anonymous\""},
		{text + "auth-header: Remote-User\ntrusted-proxy: 127.0.0.1\n", "keys=trusted-proxy"},
	} {
		s.reloadWith(t, file, tt.text, tt.keys)
		if log := s.stderr.String(); strings.Contains(log, readAgain) || !strings.Contains(log, "the configuration stays as it was") {
			t.Errorf("it does not stay as it was: %s", log)
		}
	}
}

// Guests are asked to log in at the tree of a user, and at what only looks like one, whether they
// may read the rest or not; Digest begins only where it is asked for. What rules hide asks nobody.
func TestGuestsAtTreesOfUsers(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{severalPeople + "guests: rules\n", 401},
		{severalPeople + "guests: read\n", 401},
		{severalPeople + "  - {who: guests, hide: true, path: /home/**}\nguests: read\n", 404},
	} {
		_, file := writeConfig(t, strings.Replace(tt.text, "{who: everybody, allow: read}", "{who: everybody, allow: read, path: /photos/**}", 1))
		s := startCommand(t, "serve", "--config", file)
		s.ask(t, []request{
			{"", "PROPFIND", "/home/ann/", "", nil, tt.want},
			{"", "GET", "/home/ann/a", "", nil, tt.want},
			{"", "PROPFIND", "/home/nobody/", "", nil, tt.want},
			{"", "GET", "/photos/", "", nil, 200},
			{"ann", "PROPFIND", "/home/ann/", "", nil, 207},
		})
		_, root := do(t, "PROPFIND", s.base, "")
		if _, home := do(t, "PROPFIND", s.base+"home/", ""); strings.Contains(root+home, "ann") {
			t.Errorf("guests see the tree of ann: %s %s", root, home)
		}
		s.stop(t)
	}
}

// A request that has begun ends as it would have without the reload: the mount that is gone still
// takes the upload.
func TestReloadDropsNoRequest(t *testing.T) {
	dir, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	body, w := io.Pipe()
	r, err := http.NewRequest("PUT", s.base+"photos/slow", body)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("ann", "secret")
	answered := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		resp.Body.Close()
		answered <- resp.Status
	}()
	io.WriteString(w, strings.Repeat("x", 1<<20))
	eventually(t, "the upload has begun", func() bool {
		all, _ := os.ReadDir(filepath.Join(dir, "photos"))
		return len(all) > 0
	})
	s.reloadWith(t, file, strings.ReplaceAll(severalPeople, "/photos: DIR/photos", "/pictures: DIR/photos"), readAgain)
	io.WriteString(w, "y")
	w.Close()
	if got := <-answered; got != "201 Created" {
		t.Errorf("PUT = %s, want 201 Created", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "photos", "slow")); err != nil || info.Size() != 1<<20+1 {
		t.Errorf("the upload: %v, %v", info, err)
	}
}

// A request goes by the mounts, the rules and the groups of one configuration: of these two, neither
// shows what is in music to anybody but ann, the mounts of one with the rules of the other do.
func TestReloadSwapsMounts(t *testing.T) {
	const one = `addr: 127.0.0.1:0
users: DIR/users
state: DIR/state.db
guests: read
mounts:
  /a: DIR/photos
  /b: DIR/music
rules:
  - {who: everybody, hide: true, path: /b}
  - {who: ann, allow: all, path: /b/**}
`
	other := strings.NewReplacer("/a:", "/b:", "/b:", "/a:", "path: /b", "path: /a").Replace(one)
	dir, file := writeConfig(t, one)
	for _, name := range []string{"music/secret", "photos/open"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startCommand(t, "serve", "--config", file)
	for i, user := range []string{"", "bob", "ann", "bob", ""} {
		body, w := io.Pipe()
		r, err := http.NewRequest("PROPFIND", s.base, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Expect", "100-continue") // the body is asked for when the request has begun
		switch user {
		case "ann":
			r.SetBasicAuth("ann", "secret")
		case "bob":
			r.SetBasicAuth("bob", "pässword")
		}
		found := make(chan string, 1)
		go func() {
			resp, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(r)
			if err != nil {
				found <- err.Error()
				return
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			found <- resp.Status + string(text)
		}()
		io.WriteString(w, "<propfind xmlns='DAV:'>")
		s.reloadWith(t, file, []string{other, one}[i%2], readAgain)
		io.WriteString(w, "<propname/></propfind>")
		w.Close()
		got := <-found
		if !strings.HasPrefix(got, "207 ") || !strings.Contains(got, "/open<") || strings.Contains(got, "/secret<") != (user == "ann") {
			t.Errorf("PROPFIND by %q = %s", user, got)
		}
	}
}

// What needs a restart stays as it was, so it counts for what a reload may do: the state is where it
// was, and must not be served, and the header field of a proxy needs one that is trusted already.
func TestReloadOfWhatNeedsARestart(t *testing.T) {
	const kept = "the configuration stays as it was"
	text := strings.ReplaceAll(severalPeople, "DIR/state.db", "DIR/state/state.db")
	dir, file := writeConfig(t, text)
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, "serve", "--config", file)
	s.reloadWith(t, file, strings.NewReplacer("DIR/state/", "DIR/", "DIR/photos", "DIR/state").Replace(text), kept)
	s.reloadWith(t, file, text+"trusted-proxy: 127.0.0.1\nauth-header: Remote-User\n", kept)
	s.ask(t, []request{
		{"", "PUT", "/photos/a", "1", []string{"Remote-User", "ann"}, 401},
		{"ann", "PUT", "/photos/a", "1", nil, 201},
	})
	if _, err := os.Stat(filepath.Join(dir, "photos", "a")); err != nil {
		t.Error(err)
	}
	s.reloadWith(t, file, text+"trusted-proxy: 127.0.0.1\n", "keys=trusted-proxy")
}

const sharedLock = `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`

// Requests go on while the configuration is read again and again.
func TestReloadUnderLoad(t *testing.T) {
	_, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file, "--log-level", "warn")
	s.ask(t, []request{{"ann", "PUT", "/photos/a", "1", nil, 201}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	wrong := make(chan string, 4)
	for i := range 4 {
		go func() {
			said := ""
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("photos/%d", i)
				if code, body := do(t, "PUT", s.base+name, "x", as("ann", "secret")...); code != 201 && code != 204 {
					said = fmt.Sprintf("PUT %s = %d %s", name, code, body)
				}
				code, body := do(t, "PROPFIND", s.base, "", append(as("ann", "secret"), "Depth", "infinity")...)
				if code != 207 || strings.Contains(body, "HTTP/1.1 500") {
					said = fmt.Sprintf("PROPFIND = %d %s", code, body)
				}
				own := fmt.Sprintf("home/ann/%d", n%8)
				for _, method := range []string{"PUT", "LOCK", "COPY", "DELETE"} {
					code, body := do(t, method, s.base+own, map[string]string{"PUT": "x", "LOCK": sharedLock}[method],
						append(as("ann", "secret"), "Timeout", "Second-1", "Destination", s.base+name)...)
					if code >= 500 && code != 507 || code == 403 {
						said = fmt.Sprintf("%s %s = %d %s", method, own, code, body)
					}
				}
			}
			wrong <- said
		}()
	}
	for n := 0; ctx.Err() == nil; n++ {
		replaceConfig(t, file, []string{
			severalPeople,
			severalPeople + "bad: key\n",
			strings.Replace(severalPeople, "/photos: DIR/photos", "/photos: {dir: DIR/photos, quota: 1GB}", 1), // opened again, and counted
			strings.Replace(severalPeople, "1MB", "2MB", 1),
			strings.Replace(severalPeople, ", quota: 1MB", "", 1),
		}[n%5])
		hangup(t)
		time.Sleep(10 * time.Millisecond)
	}
	for range 4 {
		if said := <-wrong; said != "" {
			t.Error(said)
		}
	}
}

// Whatever has the name of the configuration, the old one stays, and the server goes on and ends. A
// pipe would have blocked it.
func TestReloadOfNoFile(t *testing.T) {
	_, file := writeConfig(t, severalPeople)
	s := startCommand(t, "serve", "--config", file)
	for _, tt := range []struct {
		what string
		make func() error
	}{
		{"nothing", func() error { return nil }},
		{"a pipe", func() error { return syscall.Mkfifo(file, 0o600) }},
		{"a directory", func() error { return os.Mkdir(file, 0o700) }},
		{"a device", func() error { return os.Symlink("/dev/zero", file) }},
		{"a link to itself", func() error { return os.Symlink(file, file) }},
		{"1 GiB", func() error { return errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<30)) }},
	} {
		os.Remove(file)
		if err := tt.make(); err != nil {
			t.Fatal(tt.what, err)
		}
		const kept = "the configuration stays as it was"
		before := strings.Count(s.stderr.String(), kept)
		hangup(t)
		eventually(t, tt.what+": the log has "+kept, func() bool { return strings.Count(s.stderr.String(), kept) > before })
	}
	s.ask(t, []request{{"ann", "PUT", "/photos/a", "1", nil, 201}})
	os.Remove(file)
	s.reloadWith(t, file, severalPeople, readAgain)
}
