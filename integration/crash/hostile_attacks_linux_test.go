package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"dav207/integration/harness"
)

// hostileAttack is what an attacker does again and again. It takes some seconds at most.
type hostileAttack struct {
	name  string
	times int // how many do it at once, with users in turn; 0 is one
	tls   bool
	run   func(*hostileClient, *rand.Rand)
}

var hostileAttacks = []hostileAttack{
	{"slow readers of a file", 6, false, func(c *hostileClient, r *rand.Rand) { c.slowReader(r, "GET /music/big") }},
	{"slow readers of a listing", 3, false, func(c *hostileClient, r *rand.Rand) { c.slowReader(r, "PROPFIND /") }},
	{"slow readers of a batch", 2, false, slowBatch},
	{"slow writers", 6, false, slowWriter},
	{"slow headers", 4, false, slowHeaders},
	{"slow bodies", 3, false, slowBody},
	{"locks", 3, false, lockFlood},
	{"deep trees", 2, false, deepTree},
	{"wide trees", 2, false, wideTree},
	{"XML", 2, false, xmlBomb},
	{"properties", 1, false, propertyBomb},
	{"If", 1, false, ifBomb},
	{"ranges", 1, false, rangeBomb},
	{"batches", 2, false, batchBomb},
	{"passwords", 3, false, guess},
	{"connections", 2, false, connections},
	{"malformed requests", 2, false, malformed},
	{"quota", 2, false, overQuota},
	{"everything is deleted", 2, false, deleteAll},
	{"HTTP/2", 3, true, http2Resets},
}

// slowReader reads an answer at 1 KiB in a second, and leaves.
func (c *hostileClient) slowReader(r *rand.Rand, line string) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetReadBuffer(4 << 10)
	}
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: h\r\nDepth: infinity\r\n%s\r\n", line, c.authorization())
	buf := make([]byte, 1<<10)
	for range r.IntN(20) {
		if _, err := conn.Read(buf); err != nil || c.h.ctx.Err() != nil {
			return
		}
		c.pause(time.Second)
	}
}

// slowBatch asks for a large file many times in one request, and reads a little of the answer.
func slowBatch(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	items := `{"id":"0","method":"GET","url":"/music/big"}`
	for i := 1; i < 100; i++ {
		items += fmt.Sprintf(`,{"id":"%d","method":"GET","url":"/music/big"}`, i)
	}
	body := `{"requests":[` + items + `]}`
	fmt.Fprintf(conn, "POST /$batch HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s", len(body), c.authorization(), body)
	buf := make([]byte, 1<<10)
	for range r.IntN(20) {
		if _, err := conn.Read(buf); err != nil || c.h.ctx.Err() != nil {
			return
		}
		c.pause(500 * time.Millisecond)
	}
}

// slowWriter uploads a few bytes at a time, and leaves before the end.
func slowWriter(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	length := "Content-Length: 1000000"
	if r.IntN(2) == 0 {
		length = "Transfer-Encoding: chunked"
	}
	dir := []string{"/drop", "/extra", "/photos/inner", "/home/" + c.user}[r.IntN(4)]
	fmt.Fprintf(conn, "PUT %s/slow%d HTTP/1.1\r\nHost: h\r\n%s\r\n%s\r\n", dir, r.IntN(10), length, c.authorization())
	for range r.IntN(100) {
		text := strings.Repeat("x", 100)
		if strings.HasPrefix(length, "T") {
			text = "64\r\n" + text + "\r\n"
		}
		if _, err := io.WriteString(conn, text); err != nil || c.h.ctx.Err() != nil {
			return
		}
		c.pause(100 * time.Millisecond)
	}
}

// slowHeaders sends a header byte by byte.
func slowHeaders(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	text := "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X-Header: value\r\n", 100)
	for i := range r.IntN(len(text)) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil || c.h.ctx.Err() != nil {
			return
		}
		c.pause(200 * time.Millisecond)
	}
}

// slowBody sends the body of a request that is not an upload slowly.
func slowBody(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	line := []string{"PROPFIND /", "LOCK /drop/x", "PROPPATCH /drop/", "POST /$batch", "MKCOL /drop/y", "DELETE /drop/z", "REPORT /", "GET /"}[r.IntN(8)]
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n%s\r\n<", line, c.authorization())
	for range r.IntN(200) {
		if _, err := io.WriteString(conn, "x"); err != nil || c.h.ctx.Err() != nil {
			return
		}
		c.pause(100 * time.Millisecond)
	}
}

// lockFlood takes locks, also on URLs without a resource, and ends none of them.
func lockFlood(c *hostileClient, r *rand.Rand) {
	dir := []string{"/drop/locks/", "/home/" + c.user + "/locks/"}[r.IntN(2)]
	c.do("MKCOL", dir, nil)
	for range 50 {
		name := fmt.Sprintf("%s%d", dir, r.IntN(3000))
		body := harness.ExclusiveLock
		if r.IntN(3) == 0 {
			name, body = dir, harness.SharedLock
		}
		if r.IntN(4) == 0 {
			body = strings.Replace(body, "</lockinfo>", "<owner>"+strings.Repeat("<o/>", r.IntN(600))+"</owner></lockinfo>", 1)
		}
		c.do("LOCK", name, strings.NewReader(body), "Depth", []string{"0", "infinity"}[r.IntN(2)],
			"Timeout", []string{"Second-1", "Second-30", "Infinite", "Second-4100000000"}[r.IntN(4)])
	}
}

// deepTree makes a tree as deep as it may be, and copies and moves it, also into itself.
func deepTree(c *hostileClient, r *rand.Rand) {
	top := fmt.Sprintf("/drop/deep%d", r.IntN(3))
	name := top
	for range 550 {
		if status, _ := c.do("MKCOL", name+"/", nil); status == 0 || c.h.ctx.Err() != nil {
			break
		}
		name += "/d"
	}
	inside := top + strings.Repeat("/d", r.IntN(500))
	for range 4 {
		method := []string{"MOVE", "COPY"}[r.IntN(2)]
		to := []string{inside + "/again", top, top + "-copy", "/home/" + c.user + "/deep", "/"}[r.IntN(5)]
		c.do(method, []string{top, inside}[r.IntN(2)], nil, "Destination", c.h.URL+to, "Depth", "infinity", "Overwrite", []string{"T", "F"}[r.IntN(2)])
	}
	c.do("PROPFIND", top, nil, "Depth", "infinity")
	c.do("LOCK", top, strings.NewReader(harness.ExclusiveLock), "Timeout", "Second-2")
	for _, name := range []string{top, top + "-copy", "/home/" + c.user + "/deep"} {
		c.do("DELETE", name, nil)
	}
}

// wideTree makes a tree of many members, which is copied again and again.
func wideTree(c *hostileClient, r *rand.Rand) {
	top := fmt.Sprintf("/home/%s/wide%d", c.user, r.IntN(2))
	c.do("MKCOL", top+"/", nil)
	c.do("MKCOL", top+"/0/", nil)
	for i := range 20 {
		c.do("PUT", fmt.Sprintf("%s/0/%d", top, i), strings.NewReader("x"))
	}
	for i := range 7 { // twice as many with each
		c.do("COPY", top, nil, "Destination", fmt.Sprintf("%s%s-%d", c.h.URL, top, i))
		c.do("MOVE", fmt.Sprintf("%s-%d", top, i), nil, "Destination", fmt.Sprintf("%s%s/%d", c.h.URL, top, i+1))
		c.do("COPY", top, nil, "Destination", c.h.URL+"/drop/wide", "Depth", "infinity")
		if c.h.ctx.Err() != nil {
			break
		}
	}
	c.do("PROPFIND", "/", nil, "Depth", "infinity")
	c.do("DELETE", "/drop/wide", nil)
	c.do("DELETE", top, nil)
}

var xmlBombs = []func(*rand.Rand) string{
	func(r *rand.Rand) string { return strings.Repeat("<a>", r.IntN(300_000)) },
	func(r *rand.Rand) string {
		return `<propfind xmlns="DAV:"><prop>` + strings.Repeat("<a>", r.IntN(1000))
	},
	func(r *rand.Rand) string {
		var b strings.Builder
		b.WriteString(`<propfind xmlns="DAV:"`)
		for i := range r.IntN(50_000) {
			fmt.Fprintf(&b, ` a%d="b"`, i)
		}
		return b.String() + "><allprop/></propfind>"
	},
	func(r *rand.Rand) string {
		return `<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><propfind xmlns="DAV:"><prop>&c;</prop></propfind>`
	},
	func(r *rand.Rand) string {
		var b strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&b, `<x xmlns:n%d="urn:%s">`, i%50, strings.Repeat("n", 100))
		}
		return b.String()
	},
	func(r *rand.Rand) string { return `<propfind xmlns="DAV:">` + strings.Repeat("x", r.IntN(3_000_000)) },
	func(r *rand.Rand) string {
		return `<propfind xmlns="DAV:">` + strings.Repeat("<!-- -->", r.IntN(130_000))
	},
	func(r *rand.Rand) string { return names(r.IntN(4000), r.IntN(200)) },
	func(r *rand.Rand) string { return "\xff\xfe" + strings.Repeat("<\x00a\x00>\x00", r.IntN(100_000)) },
	func(r *rand.Rand) string {
		b := []byte(names(100, 10))
		for range 5 {
			b[r.IntN(len(b))] = byte(r.UintN(256))
		}
		return string(b)
	},
}

// names returns a PROPFIND that asks for n properties with a long namespace.
func names(n, namespace int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<propfind xmlns="DAV:" xmlns:x="urn:%s"><prop>`, strings.Repeat("n", namespace))
	for i := range n {
		fmt.Fprintf(&b, "<x:p%d/>", i)
	}
	return b.String() + "</prop></propfind>"
}

func xmlBomb(c *hostileClient, r *rand.Rand) {
	body := xmlBombs[r.IntN(len(xmlBombs))](r)
	method := []string{"PROPFIND", "PROPFIND", "PROPPATCH", "LOCK", "MKCOL", "REPORT", "DELETE", "GET", "OPTIONS"}[r.IntN(9)]
	name := []string{"/", "/music/", "/drop/", "/drop/x", "/nothing"}[r.IntN(5)]
	c.do(method, name, strings.NewReader(body), "Depth", []string{"0", "1", "infinity"}[r.IntN(3)])
}

// propertyBomb keeps as many properties as it can, and asks for many of all members.
func propertyBomb(c *hostileClient, r *rand.Rand) {
	name := fmt.Sprintf("/drop/p%d", r.IntN(10))
	c.do("PUT", name, strings.NewReader("x"))
	var b strings.Builder
	b.WriteString(`<propertyupdate xmlns="DAV:"><set><prop>`)
	for i, n := 0, 1+r.IntN(1000); i < n; i++ {
		p := r.IntN(10_000)
		fmt.Fprintf(&b, `<p%d xmlns="urn:x">%s</p%d>`, p, strings.Repeat("v", 900_000/n), p)
	}
	c.do("PROPPATCH", name, strings.NewReader(b.String()+"</prop></set></propertyupdate>"))
	c.do("PROPFIND", "/drop/", nil, "Depth", "infinity")
	c.do("PROPFIND", "/", strings.NewReader(names(1000, 50)), "Depth", "infinity")
	c.do("PROPFIND", "/drop/", strings.NewReader(`<propfind xmlns="DAV:"><propname/></propfind>`), "Depth", "1")
	switch r.IntN(5) {
	case 0:
		c.do("DELETE", name, nil)
	case 1:
		c.do("COPY", name, nil, "Destination", c.h.URL+name+"copy")
		c.do("DELETE", name+"copy", nil)
	}
}

func ifBomb(c *hostileClient, r *rand.Rand) {
	n := r.IntN(2000)
	value := []string{
		strings.Repeat("(<urn:x>)", n), "(" + strings.Repeat("Not <DAV:no-lock> ", n) + ")", strings.Repeat("(", n),
		strings.Repeat(`</drop/x> (["e"])`, n), "<" + strings.Repeat("a", n) + "> (<urn:x>)", strings.Repeat(`([W/"`, n),
	}[r.IntN(6)]
	method := []string{"PUT", "DELETE", "PROPFIND", "GET", "MOVE", "LOCK", "UNLOCK"}[r.IntN(7)]
	c.do(method, "/drop/if", strings.NewReader(""), "If", value, "Destination", c.h.URL+"/drop/x", "Depth", "0")
	c.do("GET", "/music/big", nil, "If-None-Match", strings.Repeat(`"e", `, n)+`"e"`, "Accept", strings.Repeat("a/b;q=0.1,", n)+"*/*")
}

func rangeBomb(c *hostileClient, r *rand.Rand) {
	var b strings.Builder
	b.WriteString("bytes=0-")
	for i := range r.IntN(5000) {
		switch r.IntN(3) {
		case 0:
			fmt.Fprintf(&b, ",%d-", i)
		case 1:
			fmt.Fprintf(&b, ",%d-%d", i*10, i*10+5)
		case 2:
			fmt.Fprintf(&b, ",-%d", i)
		}
	}
	c.do("GET", "/music/big", nil, "Range", b.String())
	c.do("PUT", "/drop/range", strings.NewReader("x"), "Content-Range", "bytes 9000000000-9000000001/*")
}

func batchBomb(c *hostileClient, r *rand.Rand) {
	item := []map[string]any{
		{"method": "GET", "url": "/music/big"},
		{"method": "PROPFIND", "url": "/", "headers": map[string]string{"Depth": "infinity"}},
		{"method": "PUT", "url": "/drop/b", "body": strings.Repeat("x", 10_000), "headers": map[string]string{"Content-Type": "text/plain"}},
		{"method": "COPY", "url": "/music/big", "headers": map[string]string{"Destination": "/drop/b2"}},
		{"method": "POST", "url": "/$batch", "body": map[string]any{"requests": []any{}}},
		{"method": "LOCK", "url": "/drop/b3"},
		{"method": "DELETE", "url": "/"},
	}[r.IntN(7)]
	var items []any
	for i := range r.IntN(1100) {
		one := map[string]any{"id": fmt.Sprint(i)}
		for k, v := range item {
			one[k] = v
		}
		if i > 0 && r.IntN(3) == 0 {
			one["dependsOn"] = []string{fmt.Sprint(r.IntN(i + 1))}
		}
		items = append(items, one)
	}
	body, _ := json.Marshal(map[string]any{"requests": items})
	if r.IntN(4) == 0 {
		body = []byte(`{"requests":` + strings.Repeat("[", r.IntN(1_000_000)))
	}
	c.do("POST", "/$batch", bytes.NewReader(body), "Content-Type", "application/json")
	c.pause(100 * time.Millisecond)
}

// guess tries passwords, of ann, too. Nobody must be let in.
func guess(c *hostileClient, r *rand.Rand) {
	for range 20 {
		q, err := http.NewRequestWithContext(c.h.ctx, []string{"GET", "PUT", "PROPFIND", "OPTIONS"}[r.IntN(4)], c.h.URL+"/home/ann/0", nil)
		if err != nil {
			c.h.Fatal(err)
		}
		user := []string{"ann", "ann", "nobody", "DOMAIN\\ann", strings.Repeat("u", r.IntN(2000)), "ANN"}[r.IntN(6)]
		q.SetBasicAuth(user, []string{fmt.Sprint(r.Uint64()), "wrong", "", strings.Repeat("p", r.IntN(200)), hostilePasswords["ann"] + "\x00"}[r.IntN(5)])
		if r.IntN(10) == 0 {
			q.Header.Set("Authorization", []string{"Basic", "Basic =", "Digest username=ann", "Bearer x", "Basic " + strings.Repeat("A", 9000)}[r.IntN(5)])
		}
		resp, err := c.http.Do(q)
		if c.h.ctx.Err() != nil {
			return
		}
		if err != nil {
			c.h.answers.add(c.name, 0)
			continue
		}
		io.CopyN(io.Discard, resp.Body, 10<<10)
		resp.Body.Close()
		c.h.answers.add(c.name, resp.StatusCode)
		if resp.StatusCode < 400 && q.Method != "OPTIONS" || resp.StatusCode == 500 {
			c.h.Errorf("%s as %.20q = %d", q.Method, user, resp.StatusCode)
		}
	}
	c.pause(200 * time.Millisecond)
}

// connections are opened, and closed in each way.
func connections(c *hostileClient, r *rand.Rand) {
	var open []net.Conn
	for range 30 {
		conn, err := c.dialer.Dial("tcp", strings.SplitN(c.h.URL, "//", 2)[1])
		if err != nil {
			break
		}
		open = append(open, conn)
		io.WriteString(conn, []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"}[r.IntN(4)])
	}
	c.pause(time.Duration(r.IntN(500)) * time.Millisecond)
	for _, conn := range open {
		switch tcp := conn.(*net.TCPConn); r.IntN(3) {
		case 0:
			tcp.SetLinger(0) // a reset
		case 1:
			tcp.CloseWrite()
		}
		conn.Close()
	}
}

func malformed(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("http/1.1")
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	auth := c.authorization()
	text := []string{
		"GET / HTTP/1.1\r\n\r\n", "GET\r\n\r\n", "\x00\x01\x02\x03\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n", "GET /drop/../../etc/passwd HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n",
		"GET /drop/%2e%2e/%2e%2e/etc HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n" + auth + "\r\n", "PUT /drop/m HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n" + auth + "\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + auth + "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + auth + "\r\nffffffffffffffff\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + auth + "\r\nzz\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n" + auth + "\r\n",
		"PUT /drop/m HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n" + auth + "\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", r.IntN(20_000)) + "\r\n", "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", r.IntN(200_000)) + "\r\n\r\n",
		"GET /" + strings.Repeat("a", r.IntN(100_000)) + " HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n",
		"PUT /drop/" + strings.Repeat("a", r.IntN(500)) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" + auth + "\r\n",
		"COPY /music/big HTTP/1.1\r\nHost: h\r\nDestination: file:///etc/x\r\n" + auth + "\r\n", "COPY /drop/ HTTP/1.1\r\nHost: h\r\nDestination: http://h\r\n" + auth + "\r\n",
		"MOVE /drop/ HTTP/1.1\r\nHost: h\r\nDestination: /drop/%00\r\nDestination: /x\r\n" + auth + "\r\n",
		"PROPFIND / HTTP/1.1\r\nHost: h\r\nDepth: 7\r\n" + auth + "\r\n", "LOCK /drop/ HTTP/1.1\r\nHost: h\r\nTimeout: Second--5\r\nContent-Length: 1\r\n" + auth + "\r\n<",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
		strings.Repeat("PROPFIND / HTTP/1.1\r\nHost: h\r\nDepth: 1\r\n"+auth+"\r\n", r.IntN(300)),
		strings.Repeat("GET /music/big HTTP/1.1\r\nHost: h\r\n"+auth+"\r\n", 100),
	}
	if _, err := io.WriteString(conn, text[r.IntN(len(text))]); err != nil {
		return
	}
	io.CopyN(io.Discard, conn, int64(r.IntN(100_000)))
}

// zeros are the bytes of a large upload.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func overQuota(c *hostileClient, r *rand.Rand) {
	name := fmt.Sprintf("/drop/quota%d", r.IntN(40))
	size := int64(1 << r.IntN(27))
	if r.IntN(2) == 0 {
		c.do("PUT", name, struct{ io.Reader }{io.LimitReader(zeros{}, size)}) // chunked
	} else {
		c.do("PUT", name, bytes.NewReader(make([]byte, min(size, 8<<20))), "Expect", "100-continue")
	}
	c.do("COPY", name, nil, "Destination", c.h.URL+name+"c")
	c.do("COPY", "/music", nil, "Destination", c.h.URL+"/drop/music", "Depth", "infinity")
	c.do("PROPFIND", "/drop/", strings.NewReader(`<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`), "Depth", "infinity")
	if r.IntN(8) == 0 {
		c.do("DELETE", fmt.Sprintf("/drop/quota%d", r.IntN(40)), nil)
	}
}

// deleteAll tries to remove, move and overwrite what others have. What is ann's stays.
func deleteAll(c *hostileClient, r *rand.Rand) {
	foreign := []string{"/photos/ann", "/photos/ann/0", "/photos", "/home/ann", "/home/ann/0", "/music/big"}
	victim := foreign[r.IntN(len(foreign))]
	var status int
	switch r.IntN(6) {
	case 0:
		status, _ = c.do("DELETE", victim, nil)
	case 1:
		status, _ = c.do("MOVE", victim, nil, "Destination", c.h.URL+"/drop/stolen")
	case 2:
		status, _ = c.do("COPY", "/drop/", nil, "Destination", c.h.URL+victim, "Overwrite", "T")
	case 3:
		status, _ = c.do("LOCK", victim, strings.NewReader(harness.ExclusiveLock))
	case 4:
		status, _ = c.do("PUT", victim, strings.NewReader("evil"))
	case 5:
		status, _ = c.do("PROPPATCH", victim, strings.NewReader(harness.SetMark))
	}
	if status >= 200 && status < 300 && status != 207 {
		c.h.Errorf("%s changed %s: %d", c.user, victim, status)
	}
	for _, name := range []string{"/drop/", "/home/", "/", "/home/" + c.user + "/"} {
		if r.IntN(10) == 0 {
			c.do("DELETE", name, nil)
		}
	}
	c.pause(time.Duration(r.IntN(500)) * time.Millisecond)
}

// http2Resets opens streams and resets them, and leaves others without a window.
func http2Resets(c *hostileClient, r *rand.Rand) {
	conn, err := c.raw("h2")
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(r.IntN(1000))})
	go io.Copy(io.Discard, conn)
	auth := http.Request{Header: http.Header{}}
	auth.SetBasicAuth("mallory", hostilePasswords["mallory"])
	stream := uint32(1)
	for range r.IntN(2000) {
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		method := []string{"GET", "PROPFIND", "PUT", "DELETE"}[r.IntN(4)]
		for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":path", []string{"/music/big", "/", "/drop/h2"}[r.IntN(3)]}, {":authority", "h"},
			{"authorization", auth.Header.Get("Authorization")}, {"depth", "infinity"}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: method != "PUT"})
		switch r.IntN(6) {
		case 0, 1, 2:
			err = framer.WriteRSTStream(stream, http2.ErrCodeCancel)
		case 3:
			if method == "PUT" {
				err = framer.WriteData(stream, false, make([]byte, 1000))
			}
		case 4:
			err = framer.WritePing(false, [8]byte{})
		}
		if err != nil || c.h.ctx.Err() != nil {
			return
		}
		stream += 2
	}
	c.pause(time.Duration(r.IntN(1000)) * time.Millisecond)
}
