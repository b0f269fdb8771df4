package concurrency

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/props"
	"dav207/server"
	"dav207/server/locks"
)

var loadFlag = flag.Duration("load", 0, "how long clients send requests in each test of this package (0: 2.5 s, with -short 0.5 s)")

// loadTime returns how long the clients of a test send requests.
func loadTime() time.Duration {
	switch {
	case *loadFlag > 0:
		return *loadFlag
	case testing.Short():
		return 500 * time.Millisecond
	}
	return 2500 * time.Millisecond
}

// load is fifty clients that change the same few names. Names have at most three segments, and each
// level has names of its own. COPY and MOVE stay on a level, so the tree cannot grow.
type load struct {
	*harness.Site
	stop time.Time
	// locked is true if clients take locks, on /k and its members only. Requests for other names
	// must not be answered with 423.
	locked bool
	// tags maps a name and an entity tag to the content that had it.
	tags sync.Map
	// counted is how often /counter was incremented.
	counted atomic.Int64
}

// TestLoad runs fifty clients on the same names. Each answer must be possible in some serial order,
// and the tree that is left must be consistent. TestLinearizability is stricter with fewer clients.
func TestLoad(t *testing.T) {
	for _, b := range harness.Backends {
		for _, locked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s locks %v", b.Name, locked), func(t *testing.T) {
				t.Parallel()
				files, dir := b.Open(t)
				store, table := &props.Memory{}, locks.New(nil)
				s := harness.Serve(t, files, &server.Options{Props: store, Locks: table,
					Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))})
				s.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
				defer s.Client.CloseIdleConnections()
				s.Want(201, "MKCOL", "/ball", "")
				s.Want(201, "PUT", "/ball/0", content("ball", 5000))
				s.Want(201, "PUT", "/counter", "0")
				x := &load{Site: s, stop: time.Now().Add(loadTime()), locked: locked}
				var wg sync.WaitGroup
				for i := range 50 {
					switch {
					case i < 4:
						wg.Go(func() { x.moveBall(i) })
					case i < 8:
						wg.Go(func() { x.increment(i) })
					case i < 11:
						wg.Go(func() { x.createExclusive(i) })
					case i < 14 && locked:
						wg.Go(func() { x.lockExclusive(i) })
					default:
						wg.Go(func() { x.client(i) })
					}
				}
				wg.Wait()
				x.check(files, store, table)
				harness.NoTemps(t, dir)
			})
		}
	}
}

// content returns the body of a PUT. It begins with its own size and id, so that checkContent
// recognises a partial one.
func content(id string, size int) string {
	head := fmt.Sprintf("%s %d|", id, size)
	return head + strings.Repeat(id+".", size)[:size]
}

// checkContent fails the test if a file is not one complete version.
func (x *load) checkContent(name, got string) {
	head, _, ok := strings.Cut(got, "|")
	id, n, ok2 := strings.Cut(head, " ")
	size, err := strconv.Atoi(n)
	if got == "" && x.locked {
		return // created by a LOCK (§9.10.4), perhaps copied or moved since
	}
	if !ok || !ok2 || err != nil || got != content(id, size) {
		x.Errorf("%s is not one complete version: %d bytes, %.40q...", name, len(got), got)
	}
}

// level returns a random name of n segments.
func (x *load) level(r *rand.Rand, n int) string {
	pick := func(of string) string { return "/" + of[r.IntN(len(of)):][:1] }
	name := pick("abcdk")
	if n > 1 {
		name += pick("xs")
	}
	if n > 2 {
		name += pick("uv")
	}
	return name
}

// client makes random requests.
func (x *load) client(id int) {
	r := rand.New(rand.NewPCG(1, uint64(id)))
	mine := map[string]string{} // lock tokens by name
	for n := 0; time.Now().Before(x.stop) && !x.Failed(); n++ {
		level := 1 + r.IntN(3)
		name, dst := x.level(r, level), x.level(r, level)
		var header []string
		if token := mine[name]; token != "" && r.IntN(2) == 0 {
			header = []string{"If", "<" + x.At(name) + "> (<" + token + ">) (Not <DAV:no-lock>)"}
		}
		switch op := r.IntN(20); {
		case op < 5:
			body := content(fmt.Sprintf("%d-%d", id, n), r.IntN(20_000))
			if a := x.request(id, "PUT", name, "", body, header, 201, 204, 405, 409); a.Status < 300 {
				x.checkTag(name, a.Header.Get("ETag"), body)
			}
		case op < 8:
			x.request(id, "MKCOL", name, "", "", header, 201, 405, 409)
		case op < 10:
			x.request(id, "DELETE", name, "", "", header, 204, 404)
		case op < 12:
			x.request(id, "COPY", name, dst, "", append(header, "Overwrite", "FT"[r.IntN(2):][:1]), 201, 204, 403, 404, 409, 412)
		case op < 14:
			x.request(id, "MOVE", name, dst, "", append(header, "Overwrite", "FT"[r.IntN(2):][:1]), 201, 204, 403, 404, 409, 412)
		case op < 16:
			x.request(id, "PROPPATCH", name, "", `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:p">1</p></prop></set></propertyupdate>`, header, 207, 404)
		case op < 17:
			a := x.request(id, "GET", name, "", "", nil, 200, 404)
			if a.Status == 200 && !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				x.checkContent(name, a.Body)
				x.checkTag(name, a.Header.Get("ETag"), a.Body)
			}
		case op < 18:
			a := x.request(id, "PROPFIND", name, "", "", []string{"Depth", "infinity"}, 207, 404)
			if a.Status == 207 {
				for _, resp := range harness.DecodeMultistatus(x, a.Body) {
					if resp.Status != "" { // a member that vanished is omitted, and no other can fail
						x.Errorf("PROPFIND %s has %s for %s", name, resp.Status, resp.Href)
					}
				}
			}
		case !x.locked:
		case mine[name] != "":
			x.request(id, "UNLOCK", name, "", "", []string{"Lock-Token", "<" + mine[name] + ">"}, 204, 409)
			delete(mine, name)
		default:
			if name = "/k" + name[2:]; mine[name] != "" {
				continue
			}
			a := x.request(id, "LOCK", name, "", harness.LockBody, []string{"Depth", []string{"0", "infinity"}[r.IntN(2)]}, 200, 201, 207, 409, 423)
			if token := a.Header.Get("Lock-Token"); token != "" {
				mine[name] = strings.Trim(token, "<>")
			}
		}
	}
	for name, token := range mine {
		x.request(id, "UNLOCK", name, "", "", []string{"Lock-Token", "<" + token + ">"}, 204, 409)
	}
}

// request sends a request and fails the test if its status is not in ok. Where clients take locks,
// 423 and a 207 of 423 are possible, too.
func (x *load) request(id int, method, name, dst, body string, header []string, ok ...int) harness.Answer {
	if dst != "" {
		header = append(header, "Destination", "dest:"+dst)
	}
	a, err := x.Try(method, name, strings.NewReader(body), header...)
	if err != nil {
		x.Errorf("client %d: %s %s %s: %v", id, method, name, dst, err)
		return a
	}
	if x.locked && (strings.HasPrefix(name, "/k") || strings.HasPrefix(dst, "/k")) {
		ok = append(ok, http.StatusLocked)
		if a.Status == http.StatusMultiStatus && (method == "DELETE" || method == "COPY" || method == "MOVE") {
			for href, status := range harness.Failures(x, a) {
				if status != "423 lock-token-submitted" {
					x.Errorf("client %d: %s %s %s has %s for %s", id, method, name, dst, status, href)
				}
			}
			return a
		}
	}
	if !slices.Contains(ok, a.Status) {
		x.Errorf("client %d: %s %s %s %q = %d, want one of %v\n%s", id, method, name, dst, header, a.Status, ok, a.Body)
	}
	return a
}

// checkTag fails the test if an entity tag had another content of the same name.
func (x *load) checkTag(name, tag, body string) {
	sum := sha256.Sum256([]byte(body))
	if before, ok := x.tags.LoadOrStore(name+" "+tag, sum); ok && before != sum {
		x.Errorf("two contents of %[2]s had the entity tag %[1]s", tag, name)
	}
}

// increment increments the number in /counter with a condition, so that no update is lost.
func (x *load) increment(id int) {
	for time.Now().Before(x.stop) && !x.Failed() {
		a := x.request(id, "GET", "/counter", "", "", nil, 200)
		n, err := strconv.Atoi(a.Body)
		if err != nil {
			x.Errorf("/counter holds %q", a.Body)
			return
		}
		tag := a.Header.Get("ETag")
		header := []string{"If-Match", tag}
		if id%2 == 0 {
			header = []string{"If", "([" + tag + "])"}
		}
		if a = x.request(id, "PUT", "/counter", "", strconv.Itoa(n+1), header, 204, 412); a.Status == 204 {
			x.counted.Add(1)
		}
	}
}

// createExclusive creates a file with If-None-Match: * and removes it. No other client can have
// replaced it meanwhile.
func (x *load) createExclusive(id int) {
	for time.Now().Before(x.stop) && !x.Failed() {
		a := x.request(id, "PUT", "/gate", "", "x", []string{"If-None-Match", "*"}, 201, 412)
		if a.Status == 201 {
			x.request(id, "DELETE", "/gate", "", "", []string{"If-Match", a.Header.Get("ETag")}, 204)
		}
	}
}

// moveBall moves one file between a few names. Exactly one of them exists at any time.
func (x *load) moveBall(id int) {
	r := rand.New(rand.NewPCG(2, uint64(id)))
	for time.Now().Before(x.stop) && !x.Failed() {
		from, to := r.IntN(4), r.IntN(4)
		if from != to {
			x.request(id, "MOVE", fmt.Sprint("/ball/", from), fmt.Sprint("/ball/", to), "", []string{"Overwrite", "F"}, 201, 404)
		}
	}
}

// lockExclusive locks a file and checks that no other client changes it meanwhile.
func (x *load) lockExclusive(id int) {
	r := rand.New(rand.NewPCG(3, uint64(id)))
	for n := 0; time.Now().Before(x.stop) && !x.Failed(); n++ {
		if r.IntN(3) == 0 {
			a, err := x.Try("PUT", "/held", strings.NewReader(content("intruder", 10)))
			if err != nil || a.Status != 201 && a.Status != 204 && a.Status != 423 {
				x.Errorf("PUT /held = %d, %v", a.Status, err)
			}
			continue
		}
		a, err := x.Try("LOCK", "/held", strings.NewReader(harness.LockBody), "Depth", "0")
		if err != nil || a.Status != 200 && a.Status != 201 && a.Status != 423 {
			x.Errorf("LOCK /held = %d, %v", a.Status, err)
		}
		if a.Status == 423 || err != nil {
			continue
		}
		token := a.Header.Get("Lock-Token")
		mine := content(fmt.Sprintf("holder %d-%d", id, n), 10)
		a, err = x.Try("PUT", "/held", strings.NewReader(mine), "If", "("+token+")")
		if err != nil || a.Status != 204 {
			x.Errorf("PUT /held with its token = %d, %v", a.Status, err)
		}
		for range 3 {
			if a, err = x.Try("GET", "/held", nil); err != nil || a.Body != mine {
				x.Errorf("/held = %q, %v while it is locked, want %q", a.Body, err, mine)
			}
		}
		if a, err = x.Try("UNLOCK", "/held", nil, "Lock-Token", token); err != nil || a.Status != 204 {
			x.Errorf("UNLOCK /held = %d, %v", a.Status, err)
		}
	}
}
