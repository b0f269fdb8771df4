package crash

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"dav207/integration/harness"
)

// hostileClient is a client with an address of its own: limits for an address are not for all.
type hostileClient struct {
	h      *hostile
	http   *http.Client
	dialer net.Dialer
	user   string // "" for a guest
	name   string // of the attack
}

// client returns a client at 127.0.0.n for a user.
func (h *hostile) client(n int, user string) *hostileClient {
	c := &hostileClient{h: h, user: user}
	c.dialer = net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(n))}}
	c.http = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DialContext: c.dial, MaxIdleConnsPerHost: 4,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// dial opens a connection. Those of attackers are closed with the attack.
func (c *hostileClient) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dialer.DialContext(ctx, network, addr)
	if err == nil && c.user != "ann" {
		context.AfterFunc(c.h.ctx, func() { conn.Close() })
	}
	return conn, err
}

// honest is the user whose requests must succeed.
type honest struct {
	h       *hostile
	c       *hostileClient
	r       *rand.Rand
	files   map[string]string // the content of each of her files, as contentOf takes it
	marks   map[string]string // a dead property
	sent    int
	slowest time.Duration
	// slowestOne is the request that took so long.
	slowestOne string
}

// The bound on the time of a request of hers. It is generous: all attackers run on the machine of
// the server, which may have two processors.
const honestBound = 20 * time.Second

var honestDirs = []string{"/home/ann/", "/photos/ann/"}

func newHonest(h *hostile) *honest {
	a := &honest{h: h, c: h.client(1, "ann"), r: rand.New(rand.NewPCG(h.seed, 1)), files: map[string]string{}, marks: map[string]string{}}
	a.want([]int{201}, "MKCOL", "/photos/ann/", "")
	return a
}

// want sends a request, whose answer must have one of the statuses. It returns the body.
func (a *honest) want(statuses []int, method, name, body string, header ...string) string {
	r, err := http.NewRequest(method, a.h.URL+name, strings.NewReader(body))
	if err != nil {
		a.h.Fatal(err)
	}
	r.SetBasicAuth("ann", hostilePasswords["ann"])
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	start := time.Now()
	resp, err := a.c.http.Do(r)
	if err != nil {
		a.h.Errorf("ann: %s %s: %v after %v", method, name, err, time.Since(start))
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	took := time.Since(start)
	a.sent++
	if took > a.slowest {
		a.slowest, a.slowestOne = took, method+" "+name
	}
	if took > honestBound {
		a.h.Errorf("ann: %s %s took %v", method, name, took)
	}
	if err != nil || !slices.Contains(statuses, resp.StatusCode) {
		a.h.Errorf("ann: %s %s %q = %d, %v, want %d\n%.2000s", method, name, header, resp.StatusCode, err, statuses, b)
	}
	return string(b)
}

// step sends a few requests about one file.
func (a *honest) step() {
	name := fmt.Sprintf("%s%d", honestDirs[a.r.IntN(2)], a.r.IntN(20))
	other := fmt.Sprintf("%s%d", honestDirs[a.r.IntN(2)], 20+a.r.IntN(20))
	_, there := a.files[name]
	if !there {
		a.put(name)
		return
	}
	switch a.r.IntN(9) {
	case 0:
		a.put(name)
	case 1:
		a.want([]int{204}, "DELETE", name, "")
		delete(a.files, name)
		delete(a.marks, name)
	case 2:
		a.want(a.created(other), "COPY", name, "", "Destination", a.h.URL+other)
		a.files[other] = a.files[name]
		a.marks[other] = a.marks[name]
	case 3:
		a.want(a.created(other), "MOVE", name, "", "Destination", a.h.URL+other)
		a.files[other], a.marks[other] = a.files[name], a.marks[name]
		delete(a.files, name)
		delete(a.marks, name)
	case 4:
		a.marks[name] = fmt.Sprint("mark", a.r.IntN(1e6))
		body := a.want([]int{207}, "PROPPATCH", name, `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">`+a.marks[name]+`</mark></prop></set></propertyupdate>`)
		if !strings.Contains(body, "HTTP/1.1 200 OK") {
			a.h.Errorf("ann: PROPPATCH %s: %s", name, body)
		}
	case 5:
		a.lock(name)
	case 6:
		first := a.r.IntN(15_000_000)
		part := a.want([]int{206}, "GET", "/music/big", "", "Range", fmt.Sprintf("bytes=%d-%d", first, first+65_535))
		if part != contentOf(hostileBig)[first:min(first+65_536, len(contentOf(hostileBig)))] {
			a.h.Errorf("ann: GET /music/big is wrong from %d on", first)
		}
	case 7:
		a.want([]int{403, 404}, "PUT", "/home/mallory/x", "x")
		a.want([]int{403, 404}, "GET", "/home/trudy/", "")
	case 8:
		a.checkAll()
	}
	if _, there := a.files[name]; there {
		a.get(name)
	}
}

func (a *honest) put(name string) {
	value := fmt.Sprintf("ann%d:%d", a.sent, a.r.IntN(100_000))
	a.want(a.created(name), "PUT", name, contentOf(value))
	a.files[name] = value
}

// created returns the statuses of an answer to a request that creates or replaces a file.
func (a *honest) created(name string) []int {
	if _, there := a.files[name]; there {
		return []int{204}
	}
	return []int{201}
}

func (a *honest) lock(name string) {
	body := a.want([]int{200}, "LOCK", name, harness.ExclusiveLock, "Timeout", "Second-600")
	_, token, _ := strings.Cut(body, "<D:locktoken><D:href>")
	token, _, _ = strings.Cut(token, "<")
	a.want([]int{423}, "PUT", name, "wrong")
	value := fmt.Sprintf("ann%d:%d", a.sent, a.r.IntN(100_000))
	a.want([]int{204}, "PUT", name, contentOf(value), "If", "(<"+token+">)")
	a.files[name] = value
	a.want([]int{204}, "UNLOCK", name, "", "Lock-Token", "<"+token+">")
}

func (a *honest) get(name string) {
	if got := a.want([]int{200}, "GET", name, ""); madeOf(got) != a.files[name] {
		a.h.Errorf("ann: %s has %s, want %s", name, madeOf(got), a.files[name])
	}
}

// checkAll compares her directories with what she was answered.
func (a *honest) checkAll() {
	got := map[string]string{}
	for _, dir := range honestDirs {
		body := a.want([]int{207}, "PROPFIND", dir, `<propfind xmlns="DAV:"><prop><getcontentlength/><mark xmlns="urn:x"/></prop></propfind>`, "Depth", "1")
		if a.h.Failed() {
			return
		}
		for _, r := range harness.DecodeMultistatus(a.h, body) {
			if r.Href == dir {
				continue
			}
			got[r.Href] = ""
			for _, ps := range r.Propstat {
				for _, p := range ps.Prop.List {
					if harness.StatusCode(ps.Status) == 200 {
						got[r.Href] += p.Inner + " "
					}
				}
			}
		}
	}
	want := map[string]string{}
	for name, value := range a.files {
		want[name] = fmt.Sprint(len(contentOf(value)), " ")
		if a.marks[name] != "" {
			want[name] += a.marks[name] + " "
		}
	}
	if !maps.Equal(got, want) {
		a.h.Errorf("ann: her files are %v, want %v", got, want)
	}
}

// do sends a request of an attacker. It returns 0 if there was no answer. Whatever is asked, the
// answer is never 500.
func (c *hostileClient) do(method, name string, body io.Reader, header ...string) (status int, text string) {
	r, err := http.NewRequestWithContext(c.h.ctx, method, c.h.URL+name, body)
	if err != nil {
		c.h.Fatal(err)
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, hostilePasswords[c.user])
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil && c.h.ctx.Err() != nil {
		return 0, ""
	}
	if err != nil {
		c.h.answers.add(c.name, 0)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrDeadlineExceeded) {
			c.h.Errorf("%s: %s %s: %v", c.name, method, name, err)
		}
		return 0, ""
	}
	defer resp.Body.Close()
	c.h.answers.add(c.name, resp.StatusCode)
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // of a longer one the connection is cut
	if resp.StatusCode == 500 {
		c.h.Errorf("%s: %s %s = 500\n%.500s", c.name, method, name, b)
	}
	return resp.StatusCode, string(b)
}

// raw opens a connection, over TLS if the server has it.
func (c *hostileClient) raw(protocols ...string) (net.Conn, error) {
	_, addr, _ := strings.Cut(c.h.URL, "://")
	conn, err := c.dial(c.h.ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	if !c.h.tls {
		return conn, nil
	}
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}), nil
}

// authorization is the header field with which raw requests log in.
func (c *hostileClient) authorization() string {
	if c.user == "" {
		return ""
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.user, hostilePasswords[c.user])
	return "Authorization: " + r.Header.Get("Authorization") + "\r\n"
}

// pause waits up to d, or until the attack ends.
func (c *hostileClient) pause(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end) && c.h.ctx.Err() == nil; {
		time.Sleep(min(50*time.Millisecond, d))
	}
}

// answers counts the statuses of each attack.
type answers struct {
	mu sync.Mutex
	n  map[string]map[int]int
}

func (a *answers) add(name string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == nil {
		a.n = map[string]map[int]int{}
	}
	if a.n[name] == nil {
		a.n[name] = map[int]int{}
	}
	a.n[name][status]++
}

func (a *answers) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.n)) {
		fmt.Fprintf(&b, "  %s:", name)
		for _, status := range slices.Sorted(maps.Keys(a.n[name])) {
			fmt.Fprintf(&b, " %d×%d", a.n[name][status], status)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
