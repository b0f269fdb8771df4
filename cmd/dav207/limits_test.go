package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// hostOf returns the address in a URL.
func hostOf(t *testing.T, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// dial connects to the server.
func dial(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", hostOf(t, base))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// send sends a request without waiting for the answer.
func send(t *testing.T, conn net.Conn, head, body string) {
	t.Helper()
	if _, err := io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+"\r\nHost: 127.0.0.1\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
}

// answer returns the next answer on a connection, or nil if it was closed.
func answer(conn net.Conn) *http.Response {
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	return res
}

// Threat 10: a client that holds more connections than one address may have is closed, at once, and
// takes the connections of nobody else: neither those of other addresses, nor those of a proxy.
func TestLimitOfConnectionsPerAddress(t *testing.T) {
	for _, tt := range []struct {
		rule, flags string
		refused     bool
	}{
		{"a quarter of all", "", true},
		{"the addresses of a proxy are not counted", "--trusted-proxy 127.0.0.1", false},
		{"nor is that of one that is not named", "--public-url https://example.com/", false},
		{"no limit", "--max-connections 0", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			args := "serve --memory --addr 127.0.0.1:0 " + tt.flags
			if !strings.Contains(args, "--max-connections") {
				args += " --max-connections 20"
			}
			s := startCommand(t, strings.Fields(args)...)
			var held []net.Conn
			for range 5 {
				held = append(held, dial(t, s.base))
				send(t, held[len(held)-1], "PUT /f HTTP/1.1\nContent-Length: 9", "half") // none is idle
			}
			more := dial(t, s.base)
			io.WriteString(more, "OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
			if res := answer(more); (res == nil) != tt.refused {
				t.Errorf("one more connection: refused = %v, want %v", res == nil, tt.refused)
			}
			if logged := strings.Count(s.stderr.String(), "connections were refused"); (logged == 1) != tt.refused {
				t.Errorf("the log has %d lines on refused connections", logged)
			}
			for _, c := range held { // what was begun goes on
				io.WriteString(c, " full")
				if res := answer(c); res == nil || res.StatusCode >= 300 {
					t.Errorf("an upload that was under way is answered with %v", res)
				}
			}
			eventually(t, "a connection of that address after those have ended", func() bool {
				for _, c := range held {
					c.Close()
				}
				c := dial(t, s.base)
				send(t, c, "OPTIONS / HTTP/1.1", "")
				return answer(c) != nil
			})
		})
	}
}

// An idle connection makes room for a new one, also with TLS and HTTP/2: keeping it is a favour.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", dir)
	for _, flags := range []string{"", "--tls-self-signed"} {
		s := startCommand(t, strings.Fields("serve --memory --addr 127.0.0.1:0 --max-connections 8 "+flags)...)
		for i := range 30 {
			transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
			t.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			var res *http.Response
			// The server learns that the connection before is idle a moment after its answer.
			eventually(t, fmt.Sprintf("%q: connection %d beside idle ones", flags, i), func() (ok bool) {
				var err error
				res, err = client.Get(s.base)
				return err == nil
			})
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}
}

// Connections beyond the limit in all wait: each client of many is as good as the next one.
func TestLimitOfConnectionsInAll(t *testing.T) {
	s := startCommand(t, strings.Fields("serve --memory --addr 127.0.0.1:0 --trusted-proxy 127.0.0.1 --max-connections 3")...)
	var held []net.Conn
	for range 3 {
		c := dial(t, s.base)
		send(t, c, "PUT /f HTTP/1.1\nContent-Length: 9", "half")
		held = append(held, c)
	}
	waiting := dial(t, s.base)
	send(t, waiting, "OPTIONS / HTTP/1.1\nConnection: close", "")
	waiting.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := waiting.Read(make([]byte, 1)); n > 0 || !os.IsTimeout(err) {
		t.Fatalf("a connection beyond the limit is answered or closed: %d bytes, %v", n, err)
	}
	held[0].Close()
	waiting.SetReadDeadline(time.Now().Add(20 * time.Second))
	if res := answer(waiting); res == nil || res.StatusCode != 200 {
		t.Errorf("after another one has ended: %v, want 200", res)
	}
	// It stops while connections wait.
	held[0] = dial(t, s.base)
	send(t, held[0], "PUT /f HTTP/1.1\nContent-Length: 9", "half")
	dial(t, s.base)
	s.cancel()
	for _, c := range held {
		c.Close()
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("exit status = %d, want 0", code)
	}
}

// A user has at most so many requests under way. One more is 429 before its body is read, and other
// users, and connections of the same user that wait for nothing, are served.
func TestLimitOfRequests(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users, "ann", annHash, "bob", annHash)
	for _, tt := range []struct {
		rule, flags    string
		same, other    string // headers of requests, of which some are under way
		status, theirs int    // of one more request as the same client, and as another one
	}{
		{"of a user", "--users " + users, "Authorization: Basic YW5uOnNlY3JldA==", "Authorization: Basic Ym9iOnNlY3JldA==", 429, 200},
		{"without users of an address", "", "X-A: a", "X-A: b", 429, 429},
		{"behind a proxy of the client", "--trusted-proxy 127.0.0.1 --public-url http://127.0.0.1/", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", 429, 200},
		{"behind a proxy that is not named of nobody", "--public-url https://127.0.0.1/", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", 200, 200},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := startCommand(t, strings.Fields("serve --memory --addr 127.0.0.1:0 --max-requests 3 "+tt.flags)...)
			var held []net.Conn
			for i := range 3 {
				c := dial(t, s.base)
				send(t, c, fmt.Sprintf("PUT /f%d HTTP/1.1\nContent-Length: 9\nExpect: 100-continue\n%s", i, tt.same), "")
				if res := answer(c); res == nil || res.StatusCode != 100 {
					t.Fatalf("PUT = %v, want 100", res)
				}
				held = append(held, c)
			}
			ask := func(header string) *http.Response {
				c := dial(t, s.base)
				send(t, c, "OPTIONS / HTTP/1.1\n"+header, "")
				res := answer(c)
				if res == nil {
					t.Fatal("no answer")
				}
				return res
			}
			res := ask(tt.same)
			if res.StatusCode != tt.status || (res.Header.Get("Retry-After") == "1") != (tt.status == 429) {
				t.Errorf("one more = %s, Retry-After %q, want %d", res.Status, res.Header.Get("Retry-After"), tt.status)
			}
			if got := ask(tt.other).StatusCode; got != tt.theirs {
				t.Errorf("as another client = %d, want %d", got, tt.theirs)
			}
			if tt.status == 429 {
				c := dial(t, s.base)
				send(t, c, "PUT /g HTTP/1.1\nContent-Length: 1000000000\nExpect: 100-continue\n"+tt.same, "")
				if res := answer(c); res == nil || res.StatusCode != 429 {
					t.Errorf("PUT = %v, want 429 before the body", res)
				}
			}
			for _, c := range held {
				io.WriteString(c, "some body")
				if res := answer(c); res == nil || res.StatusCode != 201 {
					t.Errorf("a request that was under way = %v, want 201", res)
				}
			}
			if got := ask(tt.same).StatusCode; got != 200 {
				t.Errorf("after they have ended = %d, want 200", got)
			}
		})
	}
}

// Real clients do not meet the limits: curl with 100 transfers at once, on as many connections and
// with HTTP/2 on one.
func TestLimitsLetClientsWork(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
			t.Fatal("curl is missing: install it (apt-get install curl)")
		}
		t.Skip("curl is missing: install it (apt-get install curl)")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, tt := range []struct{ rule, serve, curl string }{
		{"HTTP/1.1", "", "--http1.1 --parallel-immediate"},
		{"HTTP/2", "--tls-self-signed", "--http2 --insecure"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := startCommand(t, append([]string{"serve", "--memory", "--addr", "127.0.0.1:0"}, strings.Fields(tt.serve)...)...)
			args := append(strings.Fields(tt.curl), "--silent", "--show-error", "--parallel", "--parallel-max", "100", "--max-time", "60")
			upload := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(upload, make([]byte, 100<<10), 0o666); err != nil {
				t.Fatal(err)
			}
			for i := range 300 {
				args = append(args, "--output", os.DevNull, "--write-out", "%{http_code}\n", "--upload-file", upload, fmt.Sprintf("%sf%d", s.base, i))
				if i < 299 {
					args = append(append(args, "--next", "--silent"), strings.Fields(tt.curl)...)
				}
			}
			out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
			if got := strings.Count(string(out), "201\n"); err != nil || got != 300 {
				t.Errorf("%v: %d of 300 uploads are 201: %.300s", err, got, out)
			}
		})
	}
}

// --max-upload: 413 before the body if its length is announced, else when it is passed, and nothing
// is left behind. Every other way to store bytes is for what is there already.
func TestLimitOfUploads(t *testing.T) {
	dir := t.TempDir()
	s := startCommand(t, strings.Fields("serve "+dir+" --addr 127.0.0.1:0 --max-upload 100KiB")...)
	for name, n := range map[string]int{"small": 1000, "largest": 100 << 10} {
		for _, body := range []io.Reader{bytes.NewReader(make([]byte, n)), io.MultiReader(bytes.NewReader(make([]byte, n)))} {
			r, _ := http.NewRequest("PUT", s.base+name, body)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode >= 300 {
				t.Errorf("PUT of %d bytes = %s", n, res.Status)
			}
		}
	}
	c := dial(t, s.base)
	send(t, c, "PUT /large HTTP/1.1\nContent-Length: 102401\nExpect: 100-continue", "")
	if res := answer(c); res == nil || res.StatusCode != 413 {
		t.Errorf("PUT with an announced length = %v, want 413 before the body", res)
	}
	if code, body := do(t, "PUT", s.base+"large", strings.Repeat("x", 300<<10)); code != 413 || body == "" {
		t.Errorf("PUT = %d %s, want 413", code, body)
	}
	for _, header := range []string{"", "X-Expected-Entity-Length"} {
		r, _ := http.NewRequest("PUT", s.base+"large", io.MultiReader(strings.NewReader(strings.Repeat("x", 300<<10))))
		if header != "" {
			r.Header.Set(header, "307200")
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != 413 {
			t.Errorf("PUT without a length, %q = %s, want 413", header, res.Status)
		}
	}
	batch := fmt.Sprintf(`{"operations":[{"method":"PUT","url":"/large","body":%q},{"method":"PUT","url":"/ok","body":"x"}]}`, strings.Repeat("x", 300<<10))
	if code, body := do(t, "POST", s.base+"$batch", batch, "Content-Type", "application/json"); code != 207 || !strings.Contains(body, `"status":413`) || !strings.Contains(body, `"status":201`) {
		t.Errorf("a batch = %d %s, want 413 for its item", code, body)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 3 {
		t.Errorf("%v, %v in the directory, want largest, ok, small", names, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "largest")); err != nil || info.Size() != 100<<10 {
		t.Errorf("the largest file is %v, %v", info, err)
	}
}

// Threat 10: what does not move for --stall is cut, and what moves slowly is not.
func TestStalled(t *testing.T) {
	dir := t.TempDir()
	content := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	if err := os.WriteFile(filepath.Join(dir, "large"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s%d", strings.Repeat("n", 200), i)), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := startCommand(t, strings.Fields("serve "+dir+" --addr 127.0.0.1:0 --stall 1s")...)
	ended := func(t *testing.T, line string) {
		t.Helper()
		eventually(t, line+" in the log", func() bool { return strings.Contains(s.stderr.String(), line) })
	}
	t.Run("an upload", func(t *testing.T) {
		c := dial(t, s.base)
		send(t, c, "PUT /stalled HTTP/1.1\nContent-Length: 1000000", strings.Repeat("x", 500000))
		if res := answer(c); res == nil || res.StatusCode != 408 {
			t.Errorf("PUT = %v, want 408", res)
		}
		ended(t, "path=/stalled status=408")
		if left, _ := filepath.Glob(filepath.Join(dir, ".dav207-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("a batch", func(t *testing.T) {
		c := dial(t, s.base)
		send(t, c, "POST /$batch HTTP/1.1\nContent-Type: application/json\nContent-Length: 1000000", `{"operations":[`)
		if res := answer(c); res == nil || res.StatusCode != 408 {
			t.Errorf("POST = %v, want 408", res)
		}
	})
	for _, method := range []string{"GET", "PROPFIND"} {
		t.Run("the reader of "+method, func(t *testing.T) {
			path := map[string]string{"GET": "/large", "PROPFIND": "/?many"}[method]
			c := dial(t, s.base)
			c.(*net.TCPConn).SetReadBuffer(4 << 10)
			for range 10 { // more than what the system keeps for the client
				send(t, c, method+" "+path+" HTTP/1.1\nDepth: 1", "")
			}
			line := map[string]string{"GET": `method=GET path=/large .* bytes=[0-9]{7} `, "PROPFIND": `method=PROPFIND path=/ .* aborted=true`}[method]
			eventually(t, "the request is cut", func() bool { return regexp.MustCompile(line).MatchString(s.stderr.String()) })
			c.Close()
		})
	}
	t.Run("slow ones", func(t *testing.T) {
		up, down := dial(t, s.base), dial(t, s.base)
		up.SetDeadline(time.Now().Add(time.Minute))
		send(t, up, "PUT /slow HTTP/1.1\nContent-Length: 50", "")
		send(t, down, "GET /large HTTP/1.1\nConnection: close", "")
		var got bytes.Buffer
		var reading sync.WaitGroup
		reading.Go(func() {
			for range 25 { // 2.5 seconds, with a pause after each MiB
				io.CopyN(&got, down, 256<<10)
				time.Sleep(100 * time.Millisecond)
			}
			io.Copy(&got, down)
		})
		for range 25 {
			time.Sleep(100 * time.Millisecond)
			io.WriteString(up, "xx")
		}
		if res := answer(up); res == nil || res.StatusCode != 201 {
			t.Errorf("a slow upload = %v, want 201", res)
		}
		if reading.Wait(); !bytes.HasSuffix(got.Bytes(), content) {
			t.Errorf("a slow reader got %d bytes, not the 64 MiB of the file", got.Len())
		}
	})
	t.Run("the next request on a connection", func(t *testing.T) {
		c := dial(t, s.base)
		send(t, c, "PUT /a HTTP/1.1\nContent-Length: 1", "x")
		r := bufio.NewReader(c)
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode >= 300 {
			t.Fatalf("PUT = %v, %v", res, err)
		}
		time.Sleep(1500 * time.Millisecond)
		send(t, c, "PUT /a HTTP/1.1\nContent-Length: 1\nExpect: 100-continue", "")
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 100 {
			t.Fatalf("PUT = %v, %v, want 100", res, err)
		}
		io.WriteString(c, "x")
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 204 {
			t.Fatalf("PUT = %v, %v, want 204", res, err)
		}
	})
}

// A header that is too large is 431, and so is one of the connection of HTTP/2; a bomb in If or
// Range is refused or ignored. The server then serves others.
func TestLimitsOfHeaders(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	do(t, "PUT", s.base+"f", strings.Repeat("x", 100_000))
	for _, tt := range []struct {
		rule, method string
		name, value  string
		status       int
	}{
		{"a header of 80 KiB", "GET", "X-A", strings.Repeat("x", 80<<10), 431},
		{"an If with 10,000 conditions", "PUT", "If", "(" + strings.Repeat("<u:>", 10_000) + ")", 400},
		{"an If with 10,000 lists", "PUT", "If", strings.Repeat("(<u:>)", 10_000), 400},
		{"an If with 10,000 Not", "PUT", "If", "(" + strings.Repeat("Not", 10_000) + ")", 400},
		{"an If that is open", "PUT", "If", strings.Repeat("(", 60_000), 400},
		{"a Range with 10,000 parts", "GET", "Range", "bytes=" + strings.Repeat("0-0,", 10_000) + "1-1", 200},
		{"a Range with 64 overlapping parts", "GET", "Range", "bytes=" + strings.Repeat("0-,", 63) + "0-", 200},
		{"a Destination of 60 KiB", "COPY", "Destination", "/" + strings.Repeat("x/", 30_000), 400},
		{"a Timeout of 60 KiB", "LOCK", "Timeout", strings.Repeat("Second-1,", 6_000), 400},
	} {
		began := time.Now()
		code, body := do(t, tt.method, s.base+"f", "", tt.name, tt.value)
		if code != tt.status || len(body) > 101_000 {
			t.Errorf("%s: %s = %d with %d bytes, want %d", tt.rule, tt.method, code, len(body), tt.status)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%s: it took %v", tt.rule, d)
		}
	}
}

// CVE-2023-44487, CVE-2023-45288: streams that are opened and reset at once, and headers without an
// end. The server gives up the connection, or holds no more than 64 requests of it, and serves
// others.
func TestFloodsOfHTTP2(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--tls-self-signed")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	served := func() {
		t.Helper()
		res, err := client.Get(s.base)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != 200 {
			t.Errorf("GET of another client = %s", res.Status)
		}
	}
	for _, tt := range []struct {
		rule  string
		flood func(f *http2.Framer, head []byte, i uint32) error
		ended bool // the server ends the connection
	}{
		{"rapid reset", func(f *http2.Framer, head []byte, i uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: head, EndHeaders: true, EndStream: true}); err != nil {
				return err
			}
			return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}, false},
		{"streams that stay open", func(f *http2.Framer, head []byte, i uint32) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: head, EndHeaders: true})
		}, false},
		{"continuation", func(f *http2.Framer, head []byte, i uint32) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head})
			}
			return f.WriteContinuation(1, false, literals(t, i))
		}, true},
		{"settings", func(f *http2.Framer, _ []byte, _ uint32) error { return f.WriteSettings() }, false},
		{"ping", func(f *http2.Framer, _ []byte, _ uint32) error { return f.WritePing(false, [8]byte{}) }, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			conn, err := tls.Dial("tcp", hostOf(t, s.base), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, http2.ClientPreface)
			f := http2.NewFramer(conn, conn)
			f.WriteSettings()
			var head bytes.Buffer
			enc := hpack.NewEncoder(&head)
			for _, h := range [][2]string{{":method", "PUT"}, {":scheme", "https"}, {":path", "/f"}, {":authority", "127.0.0.1"}} {
				enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
			}
			sent := uint32(0)
			for ; sent < 20_000 && err == nil; sent++ {
				err = tt.flood(f, head.Bytes(), sent)
			}
			served()
			if tt.ended && err == nil {
				t.Errorf("the server took %d frames", sent)
			}
		})
	}
	served()
}

// literals returns a header block with fields that the client has not sent before.
func literals(t *testing.T, i uint32) []byte {
	t.Helper()
	var block bytes.Buffer
	if err := hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: fmt.Sprint("x-", i), Value: strings.Repeat("v", 1000), Sensitive: true}); err != nil {
		t.Fatal(err)
	}
	return block.Bytes()
}

// --max-state: what clients set is bounded for all resources together, on the disk and in memory. A
// PROPPATCH beyond it is 507 with quota-not-exceeded (RFC 4331 §6) for its property and changes
// nothing; a COPY says which resource has lost its properties; and all that makes room works.
func TestLimitOfState(t *testing.T) {
	value := strings.Repeat("v", 50_000)
	set := `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">` + value + `</x></prop></set></propertyupdate>`
	const remove = `<propertyupdate xmlns="DAV:"><remove><prop><x xmlns="urn:x"/></prop></remove></propertyupdate>`
	const ask = `<propfind xmlns="DAV:"><prop><x xmlns="urn:x"/></prop></propfind>`
	for _, args := range [][]string{{t.TempDir()}, {t.TempDir(), "--state", "memory"}, {"--memory"}} {
		t.Run(strings.Join(args[len(args)-1:], " "), func(t *testing.T) {
			s := startCommand(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--max-state", "200KB"}, args...)...)
			do(t, "MKCOL", s.base+"c", "")
			for i := range 5 {
				do(t, "PUT", fmt.Sprintf("%sc/f%d", s.base, i), "x")
			}
			for i, want := range []string{"200 OK", "200 OK", "200 OK", "507 "} {
				code, body := do(t, "PROPPATCH", fmt.Sprintf("%sc/f%d", s.base, i), set)
				if code != 207 || !strings.Contains(body, want) || strings.Contains(body, "<D:quota-not-exceeded/>") != (want == "507 ") {
					t.Errorf("PROPPATCH %d = %d %s, want %s", i, code, body, want)
				}
			}
			if code, body := do(t, "PROPFIND", s.base+"c/f3", ask, "Depth", "0"); code != 207 || !strings.Contains(body, "404 ") {
				t.Errorf("what was refused is there: %d %s", code, body)
			}
			for _, src := range []string{"c/f0", "c"} {
				code, body := do(t, "COPY", s.base+src, "", "Destination", "/copy")
				if code != 507 && !(code == 207 && strings.Contains(body, "507 ")) || !strings.Contains(body, "<D:quota-not-exceeded/>") {
					t.Errorf("COPY of %s = %d %s, want 507", src, code, body)
				}
			}
			for _, step := range []struct {
				method, name, body string
				want               int
			}{
				{"MOVE", "c", "", 201}, {"PROPFIND", "copy2/f0", ask, 207}, {"COPY", "copy2/f4", "", 204}, {"PUT", "copy2/f1", "y", 204},
				{"PROPPATCH", "copy2/f0", remove, 207}, {"PROPPATCH", "copy2/f3", set, 207},
			} {
				destination := "/copy2"
				if step.method == "COPY" {
					destination = "/copy2/f2" // gives back what that had
				}
				code, body := do(t, step.method, s.base+step.name, step.body, "Destination", destination)
				if code != step.want || step.want == 207 && !strings.Contains(body, "200 OK") {
					t.Errorf("%s %s = %d %.300s, want %d", step.method, step.name, code, body, step.want)
				}
			}
			if code, _ := do(t, "LOCK", s.base+"copy2/f0", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`); code != 200 {
				t.Errorf("LOCK = %d, want 200", code)
			}
		})
	}
}

// With HTTP/2 a stream that does not move is reset, and the others of its connection go on.
func TestStalledStreams(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 64<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, strings.Fields("serve "+dir+" --addr 127.0.0.1:0 --stall 1s --tls-self-signed")...)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	get := func(name string) *http.Response {
		t.Helper()
		res, err := client.Get(s.base + name)
		if err != nil || res.ProtoMajor != 2 {
			t.Fatalf("GET = %v, %v, want HTTP/2", res, err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	stalled := get("large")
	body, w := io.Pipe()
	defer w.Close()
	go func() {
		w.Write([]byte("half"))
	}()
	r, _ := http.NewRequest("PUT", s.base+"f", body)
	r.ContentLength = 8
	if res, err := client.Do(r); err == nil {
		if res.Body.Close(); res.StatusCode != 408 {
			t.Errorf("PUT = %s, want 408", res.Status)
		}
	}
	for _, line := range []string{"method=PUT path=/f status=408", "method=GET path=/large status=200 bytes="} {
		eventually(t, line+" in the log", func() bool { return strings.Contains(s.stderr.String(), line) })
	}
	if n, err := io.Copy(io.Discard, stalled.Body); err == nil || n == 64<<20 {
		t.Errorf("a reader that has stalled gets %d bytes, %v", n, err)
	}
	if res := get(""); res.StatusCode != 200 {
		t.Errorf("GET on the same connection = %s", res.Status)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
