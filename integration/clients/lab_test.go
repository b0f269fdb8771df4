package clients

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/studio-b12/gowebdav"

	"dav207/integration/harness"
	"dav207/server/davtest"
)

// TestLab runs tests of clients in other languages, which start "dav207 lab" themselves: with the
// shell and curl, and with Python's standard library. TestPartialFailures does so with Node.
func TestLab(t *testing.T) {
	program, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, interpreter, install, script string }{
		{"shell", "sh", "apt-get install dash curl", "lab.sh"},
		{"python", "python3", "apt-get install python3", "lab.py"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			harness.RealClient(t, "curl", "apt-get install curl")
			script, err := filepath.Abs(filepath.Join("testdata", tt.script))
			if err != nil {
				t.Fatal(err)
			}
			c := &client{TB: t, path: limited(t), dir: t.TempDir()}
			c.run(limit, harness.RealClient(t, tt.interpreter, tt.install), script, program)
		})
	}
}

// partialFailure is a kind of failure, and what each client makes of it: nil for success, or a part
// of the error.
type partialFailure struct {
	name          string
	call          string // see gowebdavCalls, and testdata/lab.mjs
	faults        string // the content of the list in a file of faults
	gowebdav, npm string // "" is success
}

// partialFailures are what gowebdav 0.13 and npm's webdav 5.11 do, as data. A 207 that says that a
// member failed is success for npm's webdav; for gowebdav it is an error without the member. Both
// take a listing that lacks its end for a whole one, and gowebdav one that was cut.
var partialFailures = []partialFailure{
	{"a member of a DELETE is locked", "delete", `{"method": "DELETE", "path": "/c/3", "status": 423}`, "207", ""},
	{"a member of a DELETE is forbidden", "delete", `{"method": "DELETE", "path": "/c/3", "status": 403}`, "207", ""},
	{"the target of a DELETE is locked", "delete", `{"method": "DELETE", "path": "/c", "status": 423}`, "423", "423"},
	{"there is no room for a member of a COPY", "copy", `{"method": "COPY", "path": "/new/3", "status": 507}`, "207", ""},
	{"a member of a MOVE stays", "move", `{"method": "MOVE", "path": "/c/3", "status": 403}`, "207", ""},
	{"the destination of a MOVE is forbidden", "move", `{"method": "MOVE", "path": "/new", "status": 403}`, "403", "403"},
	{"a member of a listing is forbidden", "list", `{"method": "PROPFIND", "path": "/c/3", "status": 403}`, "", ""},
	{"a property of a member is forbidden", "list", `{"method": "PROPFIND", "path": "/c/3", "property": "getcontentlength", "status": 403}`, "", ""},
	{"a listing is malformed", "list", `{"path": "/c", "wire": {"malformed": true}}`, "", ""},
	{"a listing is cut", "list", `{"path": "/c", "wire": {"cut": 300}}`, "", "aborted"},
	{"a listing has another type", "list", `{"path": "/c", "wire": {"contentType": "text/html"}}`, "", ""},
	{"a listing is redirected", "list", `{"path": "/c", "wire": {"redirect": "/"}}`, "PROPFIND /c/: 200", ""},
	{"a file is cut", "get", `{"method": "GET", "path": "/c/1", "wire": {"cut": 1}}`, "unexpected EOF", "aborted"},
	{"an upload is forbidden", "put", `{"method": "PUT", "path": "/c/1", "status": 403}`, "403", "403"},
	{"an upload is too large", "put", `{"method": "PUT", "path": "/c/1", "status": 507}`, "507", "507"},
	{"an upload fails once for now", "put", `{"method": "PUT", "path": "/c/1", "wire": {"unavailable": "1s"}}`, "503", "503"},
	{"an upload is done, and its answer lost", "put", `{"method": "PUT", "path": "/c/1", "wire": {"reset": "after"}}`, "connection reset", "ECONNRESET"},
	{"a password is asked for", "stat", `{"path": "/**", "wire": {"challenge": true}}`, "401", "401"},
}

// gowebdavCalls are the calls of partialFailure.call.
var gowebdavCalls = map[string]func(*gowebdav.Client) error{
	"delete": func(c *gowebdav.Client) error { return c.RemoveAll("/c") },
	"copy":   func(c *gowebdav.Client) error { return c.Copy("/c", "/new", true) },
	"move":   func(c *gowebdav.Client) error { return c.Rename("/c", "/new", true) },
	"list":   func(c *gowebdav.Client) error { _, err := c.ReadDir("/c"); return err },
	"stat":   func(c *gowebdav.Client) error { _, err := c.Stat("/c/1"); return err },
	"put":    func(c *gowebdav.Client) error { return c.Write("/c/1", []byte("new"), 0) },
	"get":    func(c *gowebdav.Client) error { _, err := c.Read("/c/1"); return err },
}

// outcome compares an error with what is known of a client.
func outcome(t *testing.T, f partialFailure, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", f.name, got, want)
	}
}

// TestGowebdavPersonas holds that gowebdav lists and reads from every persona.
func TestGowebdavPersonas(t *testing.T) {
	for _, name := range davtest.Personas() {
		t.Run(name, func(t *testing.T) {
			srv := davtest.New(t, &davtest.Options{Persona: name, Tree: "-- /c/a b.txt --\none\n-- /c/d/ --\n"})
			c := gowebdav.NewClient(srv.URL, "", "")
			list, err := c.ReadDir("/c")
			if err != nil || len(list) != 2 {
				t.Fatalf("ReadDir = %v, %v, want two members", list, err)
			}
			if file := list[0]; file.Name() != "a b.txt" || file.Size() != 4 || file.IsDir() || file.ModTime().Year() < 2026 {
				t.Errorf("the file is %v", file)
			}
			if dir := list[1]; dir.Name() != "d" || !dir.IsDir() {
				t.Errorf("the collection is %v", dir)
			}
			if b, err := c.Read("/c/a b.txt"); err != nil || string(b) != "one\n" {
				t.Errorf("Read = %q, %v", b, err)
			}
		})
	}
}

// TestPartialFailures holds what two clients make of each kind of partial failure.
func TestPartialFailures(t *testing.T) {
	t.Run("gowebdav", func(t *testing.T) {
		for _, f := range partialFailures {
			srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\none\n-- /c/2 --\ntwo\n-- /c/3 --\nthree\n", Faults: `{"faults": [` + f.faults + `]}`})
			got := ""
			if err := gowebdavCalls[f.call](gowebdav.NewClient(srv.URL, "", "")); err != nil {
				got = err.Error()
			}
			outcome(t, f, got, f.gowebdav)
		}
	})
	t.Run("npm webdav", func(t *testing.T) {
		node, script := npmScript(t, "lab.mjs", npmWebDAV)
		program, err := harness.Program()
		if err != nil {
			t.Fatal(err)
		}
		type kind struct {
			Name   string            `json:"name"`
			Call   string            `json:"call"`
			Faults []json.RawMessage `json:"faults"`
		}
		var kinds []kind
		for _, f := range partialFailures {
			kinds = append(kinds, kind{f.name, f.call, []json.RawMessage{json.RawMessage(f.faults)}})
		}
		list, err := json.Marshal(kinds)
		if err != nil {
			t.Fatal(err)
		}
		c := &client{TB: t, path: limited(t), dir: t.TempDir(), env: []string{"NODE_NO_WARNINGS=1"}}
		lines := strings.Split(strings.TrimSpace(c.run(limit, node, script, program, string(list))), "\n")
		if len(lines) != len(partialFailures) {
			t.Fatalf("%d outcomes of %d: %q", len(lines), len(partialFailures), lines)
		}
		for i, f := range partialFailures {
			var got struct{ Error string }
			if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
				t.Fatalf("%q: %v", lines[i], err)
			}
			outcome(t, f, got.Error, f.npm)
		}
	})
}

// npmScript returns node and a script of testdata, which uses a package of npm: NAME@VERSION.
func npmScript(t *testing.T, name, pkg string) (node, script string) {
	t.Helper()
	node = harness.RealClient(t, "node", "apt-get install nodejs npm")
	modules := os.Getenv("DAV207_NODE_MODULES")
	directory := pkg[:strings.LastIndexByte(pkg, '@')]
	if _, err := os.Stat(filepath.Join(modules, directory)); modules == "" || err != nil {
		harness.CannotRun(t, "the package "+directory+" is missing: npm install "+pkg+", and set DAV207_NODE_MODULES to the node_modules that it is in")
	}
	script, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return node, script
}
