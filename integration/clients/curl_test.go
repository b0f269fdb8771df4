package clients

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// eachCurl runs a test on a tree in memory and on a directory.
func eachCurl(t *testing.T, test func(t *testing.T, s *harness.Site)) {
	eachProgram(t, func(t *testing.T, s *harness.Site, _ string) { test(t, s) }, "--prefix", "/dav")
}

func TestCurlUpload(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		for _, size := range []int{0, 1, 100, 3 << 20} {
			file, content := harness.Upload(t, size)
			name := "/upload " + strconv.Itoa(size)
			for i, args := range [][]string{
				{"--upload-file", file},
				{"--upload-file", file, "--header", "Expect: 100-continue"},
				{"--upload-file", file, "--header", "Transfer-Encoding: chunked"},
				{"--upload-file", file, "--header", "Transfer-Encoding: chunked", "--header", "X-Expected-Entity-Length: " + strconv.Itoa(size)},
			} {
				if size == 0 && i > 1 {
					continue // curl 7.88 never sends the last chunk of an empty file
				}
				want := 204
				if i == 0 {
					want = 201
				}
				status, header, body, _ := s.Curl(name, args...)
				if status != want || header.Get("ETag") == "" || header.Get("Last-Modified") == "" || body != "" {
					t.Errorf("curl %q = %d %v %q, want %d with ETag and Last-Modified", args, status, header, body, want)
				}
				got := s.Want(200, "GET", name, "")
				if got.Body != string(content) || got.Header.Get("ETag") != header.Get("ETag") {
					t.Errorf("the file has %d bytes and the ETag %s, want %d and %s", len(got.Body), got.Header.Get("ETag"), size, header.Get("ETag"))
				}
			}
		}
	})
}

// TestCurlExpect sends uploads that are refused. curl waits for the 100 (Continue) and must not
// send the body.
func TestCurlExpect(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		file, content := harness.Upload(t, 2<<20)
		s.Want(201, "PUT", "/f", "old")
		s.Want(201, "PUT", "/locked", "old")
		s.Want(201, "MKCOL", "/c", "")
		s.Lock("/locked", "0")
		for _, tt := range []struct {
			rule, name string
			header     string
			status     int
		}{
			{"RFC 9110 §13.1.2", "/f", "If-None-Match: *", 412},
			{"RFC 9110 §13.1.1", "/f", `If-Match: "wrong"`, 412},
			{"10.4.1", "/f", `If: (["wrong"])`, 412},
			{"7", "/locked", "X-Nothing: 0", 423},
			{"9.7.1", "/missing/f", "X-Nothing: 0", 409},
			{"9.7.2", "/c", "X-Nothing: 0", 405},
			{"RFC 9110 §14.5", "/f", "Content-Range: bytes 0-9/10", 400},
		} {
			t.Run(tt.rule+" "+strconv.Itoa(tt.status), func(t *testing.T) {
				s := *s
				s.TB = t
				status, _, _, trace := s.Curl(tt.name, "--upload-file", file, "--header", "Expect: 100-continue", "--expect100-timeout", "20",
					"--header", tt.header, "--write-out", "%{stderr}uploaded %{size_upload} bytes")
				if status != tt.status {
					t.Errorf("status = %d, want %d", status, tt.status)
				}
				if !strings.Contains(trace, "uploaded 0 bytes") || strings.Contains(trace, "100 Continue") {
					t.Errorf("curl sent the body:\n%s", trace)
				}
			})
		}
		for _, name := range []string{"/f", "/locked"} {
			if got := s.Want(200, "GET", name, "").Body; got != "old" {
				t.Errorf("%s = %q, want the old content", name, got)
			}
		}
		status, _, _, trace := s.Curl("/f", "--upload-file", file, "--header", "Expect: 100-continue", "--expect100-timeout", "20")
		if status != 204 || !strings.Contains(trace, "100 Continue") {
			t.Errorf("the upload that is not refused = %d, want 100 and then 204\n%s", status, trace)
		}
		if got := s.Want(200, "GET", "/f", "").Body; got != string(content) {
			t.Errorf("the file has %d bytes, want %d", len(got), len(content))
		}
	})
}

// TestCurlResume sends the rest of a file with Content-Range, as curl does after a HEAD. A server
// that treats the rest as the whole file destroys it (RFC 9110 §14.5).
func TestCurlResume(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		file, content := harness.Upload(t, 1000)
		s.Want(201, "PUT", "/f", string(content[:400]))
		status, _, _, trace := s.Curl("/f", "--upload-file", file, "--continue-at", "400")
		if status != 400 || !strings.Contains(trace, "> Content-Range: bytes 400-999/1000") {
			t.Errorf("curl -C 400 = %d, want 400\n%s", status, trace)
		}
		if got := s.Want(200, "GET", "/f", "").Body; got != string(content[:400]) {
			t.Errorf("the file has %d bytes, want the old 400", len(got))
		}
	})
}

func TestCurlDownload(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		_, content := harness.Upload(t, 100_000)
		all := string(content)
		etag := s.Want(201, "PUT", "/f", all).Header.Get("ETag")
		modified := s.Want(200, "HEAD", "/f", "").Header.Get("Last-Modified")
		for _, tt := range []struct {
			rule   string
			args   []string
			status int
			body   string
			ranges string // Content-Range
		}{
			{"whole", nil, 200, all, ""},
			{"RFC 9110 §14.1.2 first-last", []string{"--range", "10-19"}, 206, all[10:20], "bytes 10-19/100000"},
			{"RFC 9110 §14.1.2 first-", []string{"--range", "99990-"}, 206, all[99990:], "bytes 99990-99999/100000"},
			{"RFC 9110 §14.1.2 -suffix", []string{"--range", "-5"}, 206, all[99995:], "bytes 99995-99999/100000"},
			{"RFC 9110 §14.1.2 last is clipped", []string{"--range", "99999-200000"}, 206, all[99999:], "bytes 99999-99999/100000"},
			{"RFC 9110 §15.5.17 beyond the end", []string{"--range", "100000-"}, 416, "", "bytes */100000"},
			{"RFC 9110 §14.2 another unit", []string{"--header", "Range: lines=1-2"}, 200, all, ""},
			{"RFC 9110 §13.1.5 If-Range with the ETag", []string{"--range", "1-2", "--header", "If-Range: " + etag}, 206, all[1:3], "bytes 1-2/100000"},
			{"RFC 9110 §13.1.5 If-Range with another", []string{"--range", "1-2", "--header", `If-Range: "x"`}, 200, all, ""},
			{"RFC 9110 §13.1.2", []string{"--header", "If-None-Match: " + etag}, 304, "", ""},
			{"RFC 9110 §13.1.3", []string{"--header", "If-Modified-Since: " + modified}, 304, "", ""},
			{"RFC 9110 §13.1.1", []string{"--header", `If-Match: "x"`}, 412, "", ""},
			{"no gzip of what is stored", []string{"--compressed"}, 200, all, ""},
		} {
			t.Run(tt.rule, func(t *testing.T) {
				s := *s
				s.TB = t
				status, header, body, _ := s.Curl("/f", tt.args...)
				if status != tt.status || header.Get("Content-Range") != tt.ranges || status < 300 && body != tt.body {
					t.Errorf("= %d, %d bytes, Content-Range %q, want %d, %d bytes, %q", status, len(body), header.Get("Content-Range"),
						tt.status, len(tt.body), tt.ranges)
				}
				if status < 300 && (header.Get("ETag") != etag || header.Get("Content-Length") != strconv.Itoa(len(tt.body)) || header.Get("Accept-Ranges") != "bytes") {
					t.Errorf("header = %v", header)
				}
			})
		}
		_, header, body, _ := s.Curl("/f", "--range", "0-1,5-6")
		if !strings.HasPrefix(header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(body, all[0:2]) || !strings.Contains(body, all[5:7]) {
			t.Errorf("GET of two ranges = %v with %d bytes", header, len(body))
		}
		status, header, body, _ := s.Curl("/f", "--head")
		if status != 200 || header.Get("Content-Length") != "100000" || header.Get("ETag") != etag || strings.Contains(body, all[:100]) {
			t.Errorf("HEAD = %d %v", status, header)
		}
	})
}

// TestCurlOptions sends OPTIONS for the URLs that clients use: the share, its parents, an unmapped
// URL, and the server as a whole.
func TestCurlOptions(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		s.Want(201, "PUT", "/f", "")
		host := *s
		host.Prefix = ""
		for _, args := range [][]string{
			{}, {"--request-target", "*"}, {"--request-target", "/"}, {"--request-target", "/dav"}, {"--request-target", "/dav/f"},
			{"--request-target", "/dav/missing/x"}, {"--request-target", "/elsewhere"}, {"--request-target", "/davx"},
		} {
			status, header, body, _ := host.Curl("/", append([]string{"--request", "OPTIONS"}, args...)...)
			methods := strings.Split(header.Get("Allow"), ", ")
			slices.Sort(methods)
			want := []string{"COPY", "DELETE", "GET", "HEAD", "LOCK", "MKCOL", "MOVE", "OPTIONS", "PROPFIND", "PROPPATCH", "PUT", "UNLOCK"}
			if status != 200 || header.Get("DAV") != "1, 2, 3" || header.Get("MS-Author-Via") != "DAV" || body != "" || !slices.Equal(methods, want) {
				t.Errorf("OPTIONS %q = %d %v %q", args, status, header, body)
			}
		}
	})
}

func TestCurlMethods(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		file, _ := harness.Upload(t, 10)
		token := ""
		for _, step := range []struct {
			name   string
			args   []string
			status int
		}{
			{"/c", []string{"--request", "MKCOL"}, 201},
			{"/c/f", []string{"--upload-file", file}, 201},
			{"/c/", []string{"--request", "COPY", "--header", "Destination: " + s.At("/d/")}, 201},
			{"/c/", []string{"--request", "MOVE", "--header", "Destination: /dav/d/c/"}, 201},
			{"/d/", []string{"--request", "PROPFIND", "--header", "Depth: infinity"}, 207},
			{"/d/f", []string{"--request", "PROPPATCH", "--data", `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x"/></prop></set></propertyupdate>`}, 207},
			{"/d/f", []string{"--request", "LOCK", "--data", harness.LockBody}, 200},
			{"/d/", []string{"--request", "DELETE"}, 207},
			{"/d/f", []string{"--request", "UNLOCK", "--header", "Lock-Token: <token>"}, 204},
			{"/d/f", []string{"--request", "BREW"}, 501},
			{"/d/f", []string{"--data", "x"}, 405}, // POST
		} {
			for i := range step.args {
				step.args[i] = strings.ReplaceAll(step.args[i], "<token>", token)
			}
			status, header, body, _ := s.Curl(step.name, step.args...)
			if status != step.status {
				t.Errorf("curl %q %s = %d, want %d\n%s", step.args, step.name, status, step.status, body)
			}
			if held := header.Get("Lock-Token"); held != "" {
				token = held
			}
		}
		if got, want := s.Tree("/"), []string{"/", "/d/", "/d/f"}; !slices.Equal(got, want) {
			t.Errorf("tree = %q, want %q", got, want)
		}
	})
}

// TestPipelining sends requests without waiting for the answers. The server must read each body
// exactly to its end, also if it refuses the request.
func TestPipelining(t *testing.T) {
	eachCurl(t, func(t *testing.T, s *harness.Site) {
		s.Want(201, "PUT", "/locked", "old")
		s.Lock("/locked", "0")
		conn := s.Dial()
		requests := []struct {
			request string
			status  int
		}{
			{"PUT /dav/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none", 201},
			{"GET /dav/1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
			{"PUT /dav/locked HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /", 423},
			{"PROPFIND /dav/ HTTP/1.1\r\nHost: localhost\r\nDepth: 1\r\nContent-Length: 0\r\n\r\n", 207},
			{"PROPFIND /dav/ HTTP/1.1\r\nHost: localhost\r\nDepth: 1\r\nContent-Length: 5\r\n\r\n<bad>", 400},
			{"MKCOL /dav/c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody", 415},
			{"DELETE /dav/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 415},
			{"BREW /dav/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody", 501},
			{"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
			{"HEAD /dav/locked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200},
		}
		go func() {
			for _, r := range requests {
				io.WriteString(conn, r.request)
			}
		}()
		answers := bufio.NewReader(conn)
		for _, r := range requests {
			method, _, _ := strings.Cut(r.request, " ")
			resp, err := http.ReadResponse(answers, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%.30q: %v", r.request, err)
			}
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != r.status || err != nil {
				t.Errorf("%.30q = %s, %v, want %d\n%s", r.request, resp.Status, err, r.status, body)
			}
		}
		if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
			t.Errorf("after the last answer: %q, %v", rest, err)
		}
	})
}
