package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"dav207/server/davtest"
)

// runInspect runs "dav207 inspect" with stdin, and returns what it prints and its exit status.
func runInspect(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(file, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = old }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, errs strings.Builder
	code = run(ctx, append([]string{"inspect"}, args...), &out, &errs)
	return out.String(), errs.String(), code
}

func TestInspectMistakes(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"http://h/ http://i/", "takes one URL"},
		{"h/x", "is not a URL with http"},
		{"ftp://h/", "is not a URL with http"},
		{"http:///x", "is not a URL with http"},
		{"http://%zz/", "is not a URL with http"},
		{"--curl", "need a URL"},
		{"--har -", "need a URL"},
		{"--every 1s - http://h/", "not for a saved answer"},
		{"--json --raw http://h/", "use one of"},
		{"--suite --raw http://h/", "--suite has its own requests"},
		{"--suite -X GET http://h/", "--suite has its own requests"},
		{"--every 1s --har http://h/", "--every prints lines"},
		{"--every -1s http://h/", "must not be negative"},
		{"--expect 99 http://h/", "--expect 99"},
		{"--props a -d x http://h/", "either --props or --data"},
		{"--props a,,b http://h/", "is not a list of names"},
		{"--props a>b http://h/", "is not the name of a property"},
		{"--props {urn:x http://h/", "is not a list of names"},
		{"-X G(T http://h/", "is not a method"},
		{"-H x http://h/", "is not NAME: VALUE"},
		{"-H X:a\x7fb http://h/", "is not NAME: VALUE"},
		{"http://ann:SECRET@h:bad/", "is not a URL with http"},
		{"http://ann:SE/CRET@h/", "is not a URL with http"},
		{"ftp://ann:SECRET@h/?token=SECRET", "is not a URL with http"},
		{"http://h/ http://ann:SECRET@h/", "takes one URL"},
		{"-H Authorization=SECRET http://h/", "is not NAME: VALUE"},
		{"-H Cookie:a=SECRET\x00 http://h/", "is not NAME: VALUE"},
		{"-H :x http://h/", "is not NAME: VALUE"},
		{"-H a\x00b:c http://h/", "is not NAME: VALUE"},
		{"-H a:b\x01c http://h/", "is not NAME: VALUE"},
		{"-d @/does/not/exist http://h/", "/does/not/exist"},
		{"-X GET -X PUT http://h/", "--request is given twice"},
		{"--every x http://h/", "invalid"},
	} {
		stdout, stderr, code := runInspect(t, "", strings.Fields(tt.args)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "CRET") {
			t.Errorf("inspect %q = %d %q, want 2 and %q", tt.args, code, stderr, tt.want)
		}
	}
	if _, stderr, code := runInspect(t, "HTTP/1.1 OK\r\n\r\n"); code != 2 || !strings.Contains(stderr, "is not a status line") {
		t.Errorf("%d %q", code, stderr)
	}
}

// TestInspectExit are the exit statuses, and what is sent.
func TestInspectExit(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n-- /c/2 --\n-- /bad/1 --\n"})
	srv.Fail("PROPFIND", "/c/2", 403)
	srv.Wire("PROPFIND", "/bad/").Malformed()
	srv.Wire("PROPFIND", "/bad/1").Reset("before")
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args    string
		code    int
		verdict string // what stdout ends with
		sent    string // the last request: method, path, Depth, body
	}{
		{"URL/c/1", 0, "1 of 1 succeeded\n", "PROPFIND /c/1 1 "},
		{"URL/c/", 3, "2 of 3 succeeded\n", "PROPFIND /c/ 1 "},
		{"URL/none", 3, "the request failed\n", "PROPFIND /none 1 "},
		{"--expect 404 URL/none", 0, "the request failed\n", "PROPFIND /none 1 "},
		{"--expect 200 -X OPTIONS URL/", 0, "the request succeeded\n", "OPTIONS /  "},
		{"URL/bad/", 4, "2 of 2 succeeded; 1 violation\n", "PROPFIND /bad/ 1 "},
		{"URL/bad/1", 5, "", "PROPFIND /bad/1 1 "},
		{"-H Depth:0 --props getetag,{urn:a,b}c URL/c/", 0, "1 of 1 succeeded\n",
			`PROPFIND /c/ 0 <propfind xmlns="DAV:" xmlns:D="DAV:"><prop><D:getetag/><ns:c xmlns:ns="urn:a,b"/></prop></propfind>`},
		{"-H Depth: URL/c/1", 0, "1 of 1 succeeded\n", "PROPFIND /c/1  "},
		{"-X PUT -d @" + file + " URL/new", 0, "the request succeeded\n", "PUT /new  from a file\r\n"},
		{"-X PUT -d @- URL/new", 0, "the request succeeded\n", "PUT /new  standard input"},
		{"-d x URL/new", 3, "the request failed\n", "POST /new  x"},
	} {
		srv.ClearJournal()
		stdout, stderr, code := runInspect(t, "standard input", strings.Fields(strings.ReplaceAll(tt.args, "URL", srv.URL))...)
		if code != tt.code || !strings.HasSuffix(stdout, tt.verdict) || stderr != "" {
			t.Errorf("inspect %s = %d %q %q, want %d %q", tt.args, code, stdout, stderr, tt.code, tt.verdict)
		}
		x := srv.Journal().Last()
		if got := x.Method + " " + x.Path + " " + x.RequestHeader.Get("Depth") + " " + string(x.RequestBody); got != tt.sent {
			t.Errorf("inspect %s sent %q, want %q", tt.args, got, tt.sent)
		}
	}
}

// TestInspectSaved: an answer is the same, saved or not.
func TestInspectSaved(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n"})
	raw, _, code := runInspect(t, "", "--raw", srv.URL+"/c/")
	if code != 0 || !strings.HasPrefix(raw, "HTTP/1.1 207 Multi-Status\r\n") {
		t.Fatalf("%d %q", code, raw)
	}
	for _, args := range []string{"", "-", "-X PROPFIND - " + srv.URL + "/c/"} {
		if stdout, stderr, code := runInspect(t, raw, strings.Fields(args)...); code != 0 || !strings.HasSuffix(stdout, "2 of 2 succeeded\n") {
			t.Errorf("inspect %s = %d %q %q", args, code, stdout, stderr)
		}
	}
	if stdout, _, code := runInspect(t, raw, "-X", "PROPFIND", "-", srv.URL+"/other/"); code != 4 || !strings.Contains(stdout, "violation missing-self") {
		t.Errorf("for another URL %d %q", code, stdout)
	}
	_, body, _ := strings.Cut(raw, "\r\n\r\n")
	if stdout, _, code := runInspect(t, body[:len(body)-20]); code != 4 || !strings.Contains(stdout, "violation well-formed") {
		t.Errorf("a cut body: %d %q", code, stdout)
	}
	if stdout, _, code := runInspect(t, `{"responses":[{"id":"1","status":201},{"id":"2","status":409,"body":{"error":{"code":"exists","message":"It is there."}}}]}`); code != 3 || !strings.Contains(stdout, "409 2\n    exists: It is there.\n") {
		t.Errorf("a batch: %d %q", code, stdout)
	}
}

// TestInspectForms: --json, --har and --curl are what they say, and have no credentials unless they
// are asked for.
func TestInspectForms(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n"})
	srv.Wire("PROPFIND", "/moved").Redirect("/c/")
	target := strings.Replace(srv.URL, "http://", "http://ann:secret@", 1) + "/moved"
	for _, form := range []string{"--json", "--har", "--curl"} {
		stdout, stderr, code := runInspect(t, "", form, target)
		if code != 0 || stderr != "" || strings.Contains(stdout, "secret") || strings.Contains(stdout, "YW5uOnNlY3JldA") {
			t.Errorf("%s: %d %s %s", form, code, stdout, stderr)
		}
		if form != "--curl" && !json.Valid([]byte(stdout)) {
			t.Errorf("%s is no JSON: %s", form, stdout)
		}
		shown, _, _ := runInspect(t, "", form, "--show-credentials", target)
		if !strings.Contains(shown, "ann:secret") && !strings.Contains(shown, "YW5uOnNlY3JldA==") {
			t.Errorf("%s has no credentials: %s", form, shown)
		}
		if form == "--har" {
			var har struct {
				Log struct {
					Entries []struct {
						Response struct{ Status int }
						Timings  struct{ Wait, Receive float64 }
					}
				}
			}
			if err := json.Unmarshal([]byte(stdout), &har); err != nil || len(har.Log.Entries) != 2 || har.Log.Entries[0].Response.Status != 302 ||
				har.Log.Entries[1].Response.Status != 207 || har.Log.Entries[1].Timings.Wait <= 0 || har.Log.Entries[1].Timings.Receive <= 0 {
				t.Errorf("%v %s", err, stdout)
			}
		}
	}
	// Without a password it is asked for; here it comes from standard input.
	srv.ClearJournal()
	if _, stderr, code := runInspect(t, "from stdin\n", "--user", "bob", srv.URL+"/c/"); code != 0 {
		t.Errorf("%d %s", code, stderr)
	}
	if got := srv.Journal().Last().RequestHeader.Get("Authorization"); got != "Basic Ym9iOmZyb20gc3RkaW4=" {
		t.Errorf("Authorization is %q", got)
	}
}

// TestInspectEvery sends again and again, until it is ended, and reports the worst.
func TestInspectEvery(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n"})
	srv.Fail("PROPFIND", "/c/1", 403).Nth(2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	done := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		done <- run(ctx, []string{"inspect", "--every", "20ms", srv.URL + "/c/"}, pw, &errs)
		pw.Close()
	}()
	var lines strings.Builder
	for b := make([]byte, 4096); strings.Count(lines.String(), "\n") < 3; {
		n, err := pr.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(b[:n])
	}
	cancel()
	if code := <-done; code != 3 {
		t.Errorf("exit status %d, want 3; %s", code, errs.String())
	}
	got := strings.SplitAfterN(lines.String(), "\n", 4)
	for i, want := range []string{"2 of 2 succeeded\n", "1 of 2 succeeded\n", "2 of 2 succeeded\n"} {
		if !strings.HasSuffix(got[i], want) {
			t.Errorf("line %d is %q, want %q", i+1, got[i], want)
		}
	}
}

func TestInspectSuite(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n"})
	if stdout, stderr, code := runInspect(t, "", "--suite", srv.URL+"/c/"); code != 0 || !strings.Contains(stdout, "PROPFIND, Depth: infinity              yes      207\n") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	if stdout, stderr, code := runInspect(t, "", "--suite", "--json", srv.URL+"/c/"); code != 0 || !json.Valid([]byte(stdout)) {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	srv.Wire("OPTIONS", "/**").Answer(200, "").Optional()
	if stdout, _, code := runInspect(t, "", "--suite", srv.URL+"/c/"); code != 4 || !strings.Contains(stdout, "violation dav-field") {
		t.Errorf("%d %s", code, stdout)
	}
}

// TestInspectColor: only a terminal has colours, and not if NO_COLOR is set.
func TestInspectColor(t *testing.T) {
	if printer(&strings.Builder{}).Color {
		t.Error("what is no file has colours")
	}
	if runtime.GOOS != "linux" {
		t.Skip("the test needs /dev/ptmx")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for _, tt := range []struct {
		noColor, term string
		want          bool
	}{{"", "xterm", true}, {"1", "xterm", false}, {"", "dumb", false}} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := printer(terminal).Color; got != tt.want {
			t.Errorf("NO_COLOR=%s TERM=%s: %v", tt.noColor, tt.term, got)
		}
	}
}
