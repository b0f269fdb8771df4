package rfc4918

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/locks"
	"dav207/server/multistatus/inspect"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata that differ from what the server says")

// TestExchanges runs the exchanges in testdata: the tree before, requests as on the wire, the whole
// responses, and the tree after. The folder rfc4918 has the examples of the RFC, rules has its
// rules, clients has requests of clients that cannot run here, and recorded has what a journal of
// server/davtest wrote. Each runs on a tree in memory and on a disk.
//
// A file begins with a comment that names the section or the client and its subject. The comment of
// a client names the evidence, and which steps are assumptions. The sections, in this order:
//
//	options   lines "prefix /dav", "deny-infinity", "read-only", "max-xml 100",
//	          "public-url http://www.example.com/", and "trees memory" for one kind of tree only
//	before    one resource a line: its name and, after two spaces, its kind (see exchange.put)
//	policy    lines "deny read /c/secret", "hide bind /c/x", "deny read /file {namespace}property"
//	fail      lines "remove /c/3 EACCES"; only in memory
//	later     a duration such as "10m": as much time passes for the locks; or "next second": it is waited for
//	request   one request; a body may follow after an empty line. Host and Content-Length are added where they are missing,
//	          and "Connection: close" where nothing is said of the connection. What is sent chunked stands as on the wire.
//	response  what must come: the status line, those headers that matter ("X: -" is one that must not be there), the body
//	after     the names of all that is left; the collections on the way to them go without saying
//
// Request and response may be repeated, with a later before each request and an after behind each
// response. Any other section is an error.
//
// A {name} is a placeholder: it matches any value where it first occurs in a response, and then has
// this value, also in requests. {any} matches another value each time. XML is compared in canonical
// form, with any order of responses, propstats and properties. Other bodies are compared only if
// the file has one.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	for _, file := range files {
		name, _ := filepath.Rel("testdata", strings.TrimSuffix(file, ".txt"))
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, kind := range treesOf(archive) {
			t.Run(filepath.ToSlash(name)+" "+kind, func(t *testing.T) {
				t.Parallel()
				archive := &txtar.Archive{Comment: archive.Comment, Files: slices.Clone(archive.Files)}
				x := &exchange{t: t, kind: kind, client: filepath.Base(filepath.Dir(file)) == "clients", known: map[string]string{}}
				x.run(archive)
				if x.updated && i == 0 {
					if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// treesOf returns the kinds of trees that an exchange runs on. Faults are possible in memory only.
func treesOf(a *txtar.Archive) []string {
	for _, f := range a.Files {
		if f.Name == "fail" {
			return []string{"memory"}
		}
		for line := range strings.Lines(string(f.Data)) {
			if kinds, ok := strings.CutPrefix(line, "trees "); ok && f.Name == "options" {
				return strings.Fields(kinds)
			}
		}
	}
	return []string{"memory", "disk"}
}

// exchange is the state of a file that runs.
type exchange struct {
	t       *testing.T
	kind    string // of tree
	client  bool   // the file is in testdata/clients
	opts    server.Options
	rules   harness.Rules
	clock   clock
	srv     exchangeServer
	known   map[string]string // the values of {name}
	request []byte            // the request whose response section is next
	updated bool
}

func (x *exchange) run(a *txtar.Archive) {
	comment := string(a.Comment)
	if x.client && (!strings.HasPrefix(comment, "Client: ") || !strings.Contains(comment, "\nEvidence: ")) {
		x.t.Fatal(`the comment must begin with "Client: " and have a paragraph that begins with "Evidence: "`)
	}
	if !x.client && !strings.HasPrefix(comment, "RFC ") && !strings.HasPrefix(comment, "Issue") {
		x.t.Fatal(`the comment must begin with the rule that is shown: "RFC 4918 §9.6.2: ..." or "Issue ..."`)
	}
	order := map[string]int{"options": 1, "before": 2, "policy": 3, "fail": 4, "later": 5, "request": 6, "response": 7, "after": 8}
	last := 0
	for i := range a.Files {
		f := &a.Files[i]
		place, ok := order[f.Name]
		switch {
		case !ok:
			x.t.Fatalf("unknown section %q", f.Name)
		case place <= last && !((f.Name == "later" || f.Name == "request") && last > place):
			x.t.Fatalf("section %q is out of order", f.Name)
		case (f.Name == "response") != (x.request != nil):
			x.t.Fatalf("section %q: each request needs its response", f.Name)
		}
		last = place
		if place > order["options"] {
			x.start()
		}
		switch f.Name {
		case "options":
			x.each(f.Data, x.option)
		case "before":
			x.each(f.Data, x.put)
		case "policy":
			x.each(f.Data, x.rules.Add)
		case "fail":
			x.each(f.Data, x.fail)
		case "later":
			x.each(f.Data, x.later)
		case "request":
			x.request = f.Data
		case "response":
			f.Data = x.exchange(f.Data)
			x.request = nil
		case "after":
			x.after(f.Data)
		}
	}
	if x.request != nil || last < order["response"] {
		x.t.Fatal("the file ends without a response")
	}
}

// each calls f with each line that is not empty.
func (x *exchange) each(data []byte, f func(line string) error) {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := f(line); err != nil {
			x.t.Fatalf("%q: %v", line, err)
		}
	}
}

func (x *exchange) start() {
	if x.srv == nil {
		x.opts.Policy = &x.rules
		x.opts.Locks = locks.New(&locks.Options{Now: x.clock.now})
		x.srv = newExchangeServer(x.t, x.kind, &x.opts)
	}
}

func (x *exchange) later(line string) error {
	if line == "next second" {
		harness.NextSecond()
		return nil
	}
	d, err := time.ParseDuration(line)
	x.clock.advance(d)
	return err
}

func (x *exchange) option(line string) (err error) {
	key, value, _ := strings.Cut(line, " ")
	switch key {
	case "prefix":
		x.opts.Prefix = value
	case "deny-infinity":
		x.opts.DenyInfinity = true
	case "read-only":
		x.opts.ReadOnly = true
	case "max-xml":
		x.opts.MaxXML, err = strconv.ParseInt(value, 10, 64)
	case "trees": // see treesOf
	case "public-url":
		u, parseErr := url.Parse(value)
		x.opts.PublicURLs, err = append(x.opts.PublicURLs, u), parseErr
	default:
		return fmt.Errorf("unknown option")
	}
	return err
}

// put creates a resource: "/c/", "/c/1", "/c/1 text: its content", "/c/1 locked", "/c/ locked
// Depth: 0 {token}". A name that begins with a quote is unquoted as a Go string.
func (x *exchange) put(line string) error {
	name, what, _ := strings.Cut(line, "  ")
	name, err := unquote(name)
	if err != nil {
		return err
	}
	x.srv.Put(name)
	what = strings.TrimSpace(what)
	if content, ok := strings.CutPrefix(what, "text:"); ok {
		x.srv.Write(name, strings.TrimSpace(content))
		return nil
	}
	lock, ok := strings.CutPrefix(what, "locked")
	if !ok {
		if what != "" {
			return fmt.Errorf("unknown kind of resource")
		}
		return nil
	}
	var headers []string
	if at := strings.IndexByte(lock, '{'); at >= 0 {
		defer func(token string) { x.known[token] = x.known["lock"] }(strings.Trim(lock[at:], "{} "))
		lock = lock[:at]
	}
	if lock = strings.TrimSpace(lock); lock != "" {
		headers = append(headers, lock)
	}
	x.known["lock"] = x.srv.Lock(name, headers...)
	return nil
}

func unquote(name string) (string, error) {
	if strings.HasPrefix(name, `"`) {
		return strconv.Unquote(name)
	}
	return name, nil
}

func (x *exchange) fail(line string) error {
	f := strings.Fields(line)
	if len(f) != 3 || causes[f[2]] == nil {
		return fmt.Errorf("want an operation, a name and an error")
	}
	memory, ok := x.srv.(memoryServer)
	if !ok {
		return fmt.Errorf("a tree of kind %s has no faults", x.kind)
	}
	memory.Files.Fail(faultfs.Op(f[0]), f[1], harness.PathError(f[1], causes[f[2]]))
	return nil
}

// after compares the names that are left, and contents if the file has them.
func (x *exchange) after(data []byte) {
	want := map[string]bool{"/": true}
	x.each(data, func(line string) error {
		name, what, _ := strings.Cut(line, "  ")
		name, err := unquote(name)
		for p := name; p != "/"; p = harness.Parent(p) {
			want[p] = true
		}
		if content, ok := strings.CutPrefix(strings.TrimSpace(what), "text:"); ok && err == nil {
			if got := x.srv.Content(name); got != strings.TrimSpace(content) {
				x.t.Errorf("%s holds %q after the requests, want %q", name, got, strings.TrimSpace(content))
			}
		}
		return err
	})
	if got, want := x.srv.Names(), joined(want); got != want {
		x.t.Errorf("the tree after the requests is\n     %s\nwant %s", got, want)
	}
}

// exchange sends the request and compares the response with want. It returns the response in the
// form of the file.
func (x *exchange) exchange(want []byte) []byte {
	x.t.Helper()
	raw, method := x.wire(x.request)
	conn, err := net.Dial("tcp", x.srv.Address())
	if err != nil {
		x.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go conn.Write(raw) // the answer may come before the server has read the whole request
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		x.t.Fatalf("%v\nfor %s", err, raw)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	x.judge(raw, res, body)
	problems := x.compare(want, res, body)
	if problems == "" {
		return want
	}
	if *update {
		x.updated = true
		return x.rewrite(want, res, body)
	}
	x.t.Errorf("%s\n%s\nthe whole answer is\n%s", firstLine(x.request), problems, x.rewrite(want, res, body))
	return want
}

// judge checks that dav207 inspect finds nothing wrong with an answer.
func (x *exchange) judge(raw []byte, res *http.Response, body []byte) {
	x.t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return // it is malformed on purpose
	}
	judged := &inspect.Exchange{Method: req.Method, RequestHeader: req.Header, Proto: res.Proto, Status: res.StatusCode, Header: res.Header, Body: body}
	if judged.URL, err = url.Parse("http://" + req.Host + req.URL.RequestURI()); err != nil {
		return
	}
	for _, f := range inspect.Judge(judged, 0).Findings {
		x.t.Errorf("%s\n%v", firstLine(raw), f)
	}
}

// wire returns a request as it is sent: lines end in CR LF, and missing headers are added.
func (x *exchange) wire(text []byte) (raw []byte, method string) {
	head, body, _ := strings.Cut(string(text), "\n\n")
	head = x.fill(strings.TrimRight(head, "\n"), func(s string) string { return s })
	body = x.fill(strings.TrimSuffix(body, "\n"), func(s string) string { return s })
	lower := strings.ToLower(head)
	if !strings.Contains(lower, "\nhost:") {
		head += "\nHost: www.example.com"
	}
	if body != "" && !strings.Contains(lower, "\ncontent-length:") && !strings.Contains(lower, "\ntransfer-encoding:") {
		head += "\nContent-Length: " + strconv.Itoa(len(body))
	}
	if strings.Contains(lower, "\ntransfer-encoding:") {
		// The lines are chunks; an empty line ends the last.
		body = strings.ReplaceAll(strings.TrimRight(body, "\n"), "\n", "\r\n") + "\r\n\r\n"
	}
	if !strings.Contains(lower, "\nconnection:") {
		head += "\nConnection: close"
	}
	method, _, _ = strings.Cut(head, " ")
	return append([]byte(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"), body...), method
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line)
}

// causes maps the names in section fail to errors.
var causes = map[string]error{
	"EACCES": syscall.EACCES,
	"EIO":    syscall.EIO,
	"ENOSPC": syscall.ENOSPC,
	"EDQUOT": syscall.EDQUOT,
	"ENOENT": syscall.ENOENT,
	"EXDEV":  syscall.EXDEV,
}

// joined formats a set of names as davtest.Server.Tree does.
func joined(names map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(names)), " ")
}
