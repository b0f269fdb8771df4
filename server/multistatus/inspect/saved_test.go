package inspect_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"dav207/server/multistatus/inspect"
)

func TestReadSaved(t *testing.T) {
	for _, tt := range []struct{ what, saved, want string }{
		{"a body alone", "<a/>", `0 [] 0 "<a/>" <nil>`},
		{"nothing", "", `0 [] 0 "" standard input is empty`},
		{"an answer", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nx\r\n", `200 [] 0 "x\r\n" <nil> Content-Type=text/plain`},
		{"line feeds alone", "HTTP/2 204 \nDAV: 1\nDAV: 2\n\n", `204 [] 0 "" <nil> DAV=1,2`},
		{"the line feed of curl -w", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx\n", `200 [] 0 "x" <nil> Content-Length=1`},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", `200 [] 0 "" <nil> Content-Length=5`},
		{"a cut body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", `200 [] 0 "x" 1 bytes of 5: unexpected EOF Content-Length=5`},
		{"cut fields", "HTTP/1.1 200 OK\r\nDAV: 1", `200 [] 0 "" the header fields do not end DAV=1`},
		{"a decoded chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nx", `200 [] 0 "x" <nil> Content-Length=5`},
		{"after a 102 and redirects", "HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 207 Multi-Status\r\n\r\n<a/>", `207 [102] 1 "<a/>" <nil>`},
		{"a body with an empty line", "HTTP/1.1 200 OK\r\n\r\na\n\nb", `200 [] 0 "a\n\nb" <nil>`},
		{"with a byte order mark", "\xef\xbb\xbfHTTP/1.1 200 OK\r\nDAV: 1\r\n\r\n\xef\xbb\xbf<a/>", `200 [] 0 "\ufeff<a/>" <nil> DAV=1`},
		{"a body alone keeps its mark", "\xef\xbb\xbf<a/>", `0 [] 0 "\ufeff<a/>" <nil>`},
		{"UTF-16, of PowerShell", toUTF16(binary.LittleEndian, "HTTP/1.1 200 OK\r\nDAV: 1\r\n\r\n\u00e9"), `200 [] 0 "é" <nil> DAV=1`},
		{"UTF-16, big endian", toUTF16(binary.BigEndian, "HTTP/1.1 200 OK\r\nDAV: 1\r\n\r\n\u00e9"), `200 [] 0 "é" <nil> DAV=1`},
		{"a body alone in UTF-16", toUTF16(binary.LittleEndian, "<a/>"), `0 [] 0 "\xff\xfe<\x00a\x00/\x00>\x00" <nil>`},
		{"chunked, of --raw", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", `200 [] 0 "abc0123456789" <nil>`},
		{"chunked, of --raw, cut", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\r\nabc\r\nA\r\n01", `200 [] 0 "abc01" unexpected EOF`},
		{"a field in two lines", "HTTP/1.1 200 OK\r\nDAV: 1,\r\n\t 2\r\n\r\n", `200 [] 0 "" <nil> DAV=1, 2`},
		{"a body like an answer", "HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", `500 [] 0 "HTTP/1.1 200 OK\r\n\r\n" <nil> Content-Type=text/plain`},
		{"after CONNECT and a challenge", "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No\r\n\r\n", `204 [] 2 "" <nil>`},
		{"no status", "HTTP/1.1\r\n\r\n", `"HTTP/1.1" is not a status line`},
		{"no number", "HTTP/1.1 2x0 OK\r\n\r\n", `"HTTP/1.1 2x0 OK" is not a status line`},
		{"no field", "HTTP/1.1 200 OK\r\nx\r\n\r\n", `line 2, "x", is not a header field`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			x, err := inspect.ReadSaved(strings.NewReader(tt.saved), &inspect.Request{})
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprintf("%d %v %d %q %v", x.Status, x.Interim, len(x.Redirects), x.Body, x.Err)
				for _, name := range []string{"Content-Length", "Content-Type", "DAV"} {
					if v := x.Header.Values(name); v != nil {
						got += " " + name + "=" + strings.Join(v, ",")
					}
				}
			}
			if got != tt.want {
				t.Errorf("ReadSaved = %s\nwant        %s", got, tt.want)
			}
		})
	}
}

func toUTF16(order binary.AppendByteOrder, s string) string {
	b := order.AppendUint16(nil, 0xFEFF)
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// TestSavedRedirects: what curl -L has saved is the answer of where the redirects led.
func TestSavedRedirects(t *testing.T) {
	const end = "HTTP/1.1 207 Multi-Status\nContent-Type: text/xml\n\n" +
		`<multistatus xmlns="DAV:"><response><href>/c/</href><status>HTTP/1.1 200 OK</status></response></multistatus>`
	for _, tt := range []struct{ saved, url, findings string }{
		{"HTTP/1.1 301 Moved Permanently\nLocation: /c/\n\n" + end, "http://h/c/", "[]"},
		{"HTTP/1.1 301 Moved Permanently\nLocation: https://g/x/y\n\nHTTP/2 302\nlocation: ../c/\n\n" + end, "https://g/c/", "[]"},
		{"HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm=a\n\n" + end, "http://h/old", "[missing-self foreign-href]"},
	} {
		x := readExchange(t, "PROPFIND http://h/old\nDepth: 1", []byte(tt.saved))
		if got := names(inspect.Judge(x, 0)); x.URL.String() != tt.url || fmt.Sprint(got) != tt.findings {
			t.Errorf("%q is of %v, %v", tt.saved, x.URL, got)
		}
	}
}

// TestContentEncoding: a body is decoded, or the answer is not judged to be one that is well.
func TestContentEncoding(t *testing.T) {
	body := []byte(`<multistatus xmlns="DAV:"><response><href>/c/</href><status>HTTP/1.1 403 Forbidden</status></response></multistatus>`)
	pack := func(w io.WriteCloser, buf *bytes.Buffer, body []byte) []byte {
		w.Write(body)
		w.Close()
		return bytes.Clone(buf.Bytes())
	}
	var g, z, gg, bomb bytes.Buffer
	gz := pack(gzip.NewWriter(&g), &g, body)
	deflated := pack(zlib.NewWriter(&z), &z, body)
	twice := pack(gzip.NewWriter(&gg), &gg, gz)
	huge := pack(gzip.NewWriter(&bomb), &bomb, append(body[:len(body)-len("</multistatus>")], bytes.Repeat([]byte(" "), inspect.MaxBody)...))
	badSum := bytes.Clone(gz)
	badSum[len(badSum)-5] ^= 1
	for _, tt := range []struct {
		what, coding string
		body         []byte
		want         string
	}{
		{"gzip", "gzip", gz, `3 "0 of 1 succeeded" []`},
		{"deflate", "Deflate", deflated, `3 "0 of 1 succeeded" []`},
		{"two codings", "gzip, x-gzip", twice, `3 "0 of 1 succeeded" []`},
		{"decoded by curl --compressed", "br", body, `3 "0 of 1 succeeded" []`},
		{"brotli", "br", []byte("\x1b\x0f\x00\xf8"), `5 "nothing says what succeeded; the answer is not whole: the body is in the Content-Encoding \"br\", which is not read" []`},
		{"too many", "gzip,gzip,gzip,gzip", twice, `4 "nothing says what succeeded; 1 violation" [content-encoding]`},
		{"a wrong checksum", "gzip", badSum, `4 "0 of 1 succeeded; 1 violation" [content-encoding]`},
		{"a cut stream", "gzip", gz[:len(gz)-4], `4 "0 of 1 succeeded; 1 violation" [content-encoding]`},
		{"a bomb", "gzip", huge, `5 "0 of 1 succeeded; the answer is not whole: the body is longer than 32 MiB, and not read any further" []`},
	} {
		saved := fmt.Appendf(nil, "HTTP/1.1 207 Multi-Status\nContent-Type: text/xml\nContent-Length: %d\nContent-Encoding: %s\n\n", len(tt.body), tt.coding)
		r := inspect.Judge(readExchange(t, "", append(saved, tt.body...)), 0)
		if got := fmt.Sprintf("%d %q %v", r.Outcome, r.Verdict, names(r)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

// TestSavedLimit: what is too long is not read any further, and the end that is missing is not held
// against the server.
func TestSavedLimit(t *testing.T) {
	body := `<multistatus xmlns="DAV:"><response><href>/a</href><status>HTTP/1.1 200 OK</status></response><!--` + strings.Repeat("x", inspect.MaxBody)
	x, err := inspect.ReadSaved(strings.NewReader("HTTP/1.1 207 Multi-Status\r\nContent-Type: text/xml\r\n\r\n"+body), &inspect.Request{})
	if err != nil || x.Err == nil || len(x.Body) > inspect.MaxBody {
		t.Fatal(len(x.Body), err, x.Err)
	}
	r := inspect.Judge(x, 0)
	if r.Outcome != inspect.Transport || len(r.Findings) > 0 || !strings.HasSuffix(r.Verdict, "longer than 32 MiB, and not read any further") {
		t.Errorf("%d %q %v", r.Outcome, r.Verdict, r.Findings)
	}
}

// TestOutcomes are the verdicts and the exit statuses.
func TestOutcomes(t *testing.T) {
	const head = "HTTP/1.1 207 Multi-Status\nContent-Type: text/xml\n\n"
	response := func(href, status string) string {
		return "<response><href>" + href + "</href><status>HTTP/1.1 " + status + "</status></response>"
	}
	ms := func(s string) string { return `<multistatus xmlns="DAV:">` + s + "</multistatus>" }
	both := ms(response("/a", "200 OK") + response("/b", "423 Locked"))
	for _, tt := range []struct {
		what, request, answer string
		expect                int
		outcome               inspect.Outcome
		verdict               string
	}{
		{"a success", "PUT http://h/a", "HTTP/1.1 201 Created\n\n", 0, 0, "the request succeeded"},
		{"another status than expected", "PUT http://h/a", "HTTP/1.1 201 Created\n\n", 204, 3, "the request succeeded; 204 was expected"},
		{"a failure", "PUT http://h/a", "HTTP/1.1 409 Conflict\n\n", 0, 3, "the request failed"},
		{"a failure that is expected", "PUT http://h/a", "HTTP/1.1 409 Conflict\n\n", 409, 0, "the request failed"},
		{"304", "GET http://h/a", "HTTP/1.1 304 Not Modified\n\n", 0, 0, "the request succeeded"},
		{"a redirect that is not followed", "PUT http://h/a", "HTTP/1.1 302 Found\nLocation: /b\n\n", 0, 3, "the request failed"},
		{"a failed member", "", head + both, 0, 3, "1 of 2 succeeded"},
		{"a failed member, with the status expected", "", head + both, 207, 3, "1 of 2 succeeded"},
		{"the body alone", "", both, 0, 3, "1 of 2 succeeded"},
		{"an error alone", "", `<error xmlns="DAV:"><need-privileges/></error>`, 0, 3, "the request failed"},
		{"DELETE names what failed", "DELETE http://h/c/", head + ms(response("/c/b", "423 Locked")), 0, 3, "1 failed; what succeeded is not named"},
		{"404 of a property is no failure", "", head + ms(`<response><href>/</href><propstat><prop><x/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>`), 0, 0, "1 of 1 succeeded"},
		{"but of one that was to be changed", "PROPPATCH http://h/", head + ms(`<response><href>/</href><propstat><prop><x/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>`), 0, 3, "0 of 1 succeeded"},
		{"404 of what was removed, in a sync-collection (RFC 6578 §3.5.1)", "REPORT http://h/c/\n\n<x:sync-collection xmlns:x=\"DAV:\"/>", head + ms(response("/c/a", "404 Not Found")), 0, 0, "1 of 1 succeeded"},
		{"404 of another report", "REPORT http://h/c/\n\n<multiget xmlns=\"urn:x\"/>", head + ms(response("/c/a", "404 Not Found")), 0, 3, "0 of 1 succeeded"},
		{"304 of an item", "", `{"responses":[{"id":"1","status":304}]}`, 0, 0, "1 of 1 succeeded"},
		{"a violation", "", head + ms(response("/a", "200 OK")+response("/a", "200 OK")), 0, 4, "2 of 2 succeeded; 1 violation"},
		{"a violation is worse than a failure", "", head + both + "x", 0, 4, "1 of 2 succeeded; 1 violation"},
		{"a warning alone", "PUT http://h/a", "HTTP/1.1 201 Created\nETag: W/\"a\"\n\n", 0, 0, "the request succeeded; 1 warning"},
		{"a cut body is worse", "", "HTTP/1.1 207 Multi-Status\nContent-Type: text/xml\nContent-Length: 999\n\n" + both, 0, 5,
			fmt.Sprintf("1 of 2 succeeded; the answer is not whole: %d bytes of 999: unexpected EOF; 1 violation", len(both))},
		{"a file is content, whatever it is", "GET http://h/a.xml", "HTTP/1.1 200 OK\nContent-Type: text/xml\n\n" + both, 0, 0, "the request succeeded"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			r := inspect.Judge(readExchange(t, tt.request, []byte(tt.answer)), tt.expect)
			if r.Outcome != tt.outcome || r.Verdict != tt.verdict {
				t.Errorf("%d %q, want %d %q; %v", r.Outcome, r.Verdict, tt.outcome, tt.verdict, r.Findings)
			}
		})
	}
}
