package concurrency

import (
	"encoding/xml"
	"fmt"
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
	"dav207/server"
)

// TestLinearizability searches for a serial order that explains what clients saw. There are ten
// groups of five clients; each group has a collection with a few names. In a round each client of a
// group sends two requests, all at once; then the test lists the tree. In some order of the
// requests the model must give the same answers and end with the same tree, properties and
// contents. A request that was answered before another was sent must come before it in this order.
func TestLinearizability(t *testing.T) {
	for _, b := range harness.Backends {
		for _, kind := range []string{"deep", "locks"} {
			t.Run(b.Name+" "+kind, func(t *testing.T) {
				t.Parallel()
				files, dir := b.Open(t)
				s := harness.Serve(t, files, &server.Options{})
				s.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
				defer s.Client.CloseIdleConnections()
				stop := time.Now().Add(loadTime())
				var wg sync.WaitGroup
				var rounds atomic.Int64
				for i := range 10 {
					g := &group{Site: s, dir: fmt.Sprint("/g", i), locks: kind == "locks", r: rand.New(rand.NewPCG(7, uint64(i)))}
					wg.Go(func() {
						n := 0
						for ; !t.Failed() && (n == 0 || time.Now().Before(stop)); n++ {
							g.round(n)
						}
						rounds.Add(int64(n))
					})
				}
				wg.Wait()
				t.Logf("%d rounds", rounds.Load())
				harness.NoTemps(t, dir)
			})
		}
	}
}

// group is five clients with a collection of their own.
type group struct {
	*harness.Site
	dir   string
	locks bool // lock resources, which are files only; otherwise there are collections, too
	r     *rand.Rand
	ids   int
}

func (g *group) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *group) id() string {
	g.ids++
	return strconv.Itoa(g.ids)
}

// name returns one of the few names, without the collection of the group.
func (g *group) name() string {
	if g.locks || g.r.IntN(2) == 0 {
		return g.pick("/a", "/b", "/c")
	}
	return g.pick("/a/x", "/b/x", "/a/y")
}

// newRequest returns a random request.
func (g *group) newRequest() *harness.Request {
	q := &harness.Request{Name: g.name()}
	methods := []string{"PUT", "PUT", "DELETE", "COPY", "MOVE", "MOVE", "PROPPATCH", "GET", "PROPFIND"}
	if g.locks {
		methods = append(methods, "LOCK")
	} else {
		methods = append(methods, "MKCOL", "MKCOL")
	}
	q.Method = g.pick(methods...)
	switch q.Method {
	case "PUT":
		q.Value, q.Create = g.id(), g.r.IntN(4) == 0
	case "PROPPATCH":
		q.Value = g.id()
	case "COPY", "MOVE":
		q.Dst, q.Overwrite = g.name(), g.r.IntN(3) > 0
	}
	return q
}

const colourOf = `<propfind xmlns="DAV:"><prop><resourcetype/><colour xmlns="urn:x"/></prop></propfind>`

// send sends a request and records the status, and the content or properties in the answer.
func (g *group) send(q *harness.Request) error {
	header, body := []string{}, ""
	switch q.Method {
	case "PUT":
		body = q.Value
		if q.Create {
			header = []string{"If-None-Match", "*"}
		}
	case "PROPPATCH":
		body = strings.Replace(harness.SetColour, "red", q.Value, 1)
	case "PROPFIND":
		body, header = colourOf, []string{"Depth", "0"}
	case "LOCK":
		body, header = harness.ExclusiveLock, []string{"Depth", "0"}
	case "COPY", "MOVE":
		header = []string{"Destination", "dest:" + g.dir + q.Dst, "Overwrite", map[bool]string{true: "T", false: "F"}[q.Overwrite]}
	}
	q.Sent = time.Now()
	a, err := g.Try(q.Method, g.dir+q.Name, strings.NewReader(body), header...)
	q.Answered = time.Now()
	if err != nil {
		return err
	}
	q.Seen = strconv.Itoa(a.Status)
	switch {
	case q.Method == "GET" && a.Status == 200:
		q.Seen += " " + a.Body
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			q.Seen = "200 collection"
		}
	case q.Method == "PROPFIND" && a.Status == 207:
		for _, n := range g.nodes(a.Body) {
			q.Seen += " " + n.Colour
		}
	}
	q.Token = a.Header.Get("Lock-Token")
	return nil
}

// nodes decodes the answer to colourOf. Its names are relative to the collection of the group.
func (g *group) nodes(body string) map[string]harness.Node {
	var m struct {
		Response []struct {
			Href     string `xml:"DAV: href"`
			Propstat []struct {
				Status string `xml:"DAV: status"`
				Prop   struct {
					Colour string `xml:"urn:x colour"`
					Type   struct {
						Collection *struct{} `xml:"DAV: collection"`
					} `xml:"DAV: resourcetype"`
				} `xml:"DAV: prop"`
			} `xml:"DAV: propstat"`
		} `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(body), &m); err != nil {
		g.Errorf("%v\n%s", err, body)
	}
	found := map[string]harness.Node{}
	for _, r := range m.Response {
		var n harness.Node
		for _, p := range r.Propstat {
			if harness.StatusCode(p.Status) == 200 {
				n.Colour, n.Collection = p.Prop.Colour, p.Prop.Type.Collection != nil
			}
		}
		found[strings.TrimSuffix(strings.TrimPrefix(r.Href, g.dir), "/")] = n
	}
	return found
}

// list returns the tree of the group as the server shows it.
func (g *group) list() harness.Model {
	a := g.Do("PROPFIND", g.dir, colourOf, "Depth", "infinity")
	if a.Status != 207 {
		g.Errorf("PROPFIND %s = %d\n%s", g.dir, a.Status, a.Body)
		return nil
	}
	m := harness.Model{}
	for name, n := range g.nodes(a.Body) {
		if name == "" {
			continue
		}
		if !n.Collection {
			n.Content = g.Do("GET", g.dir+name, "").Body
		}
		if g.locks {
			n.Locked = g.isLocked(name)
		}
		m[name] = n
	}
	return m
}

// round runs one round of a group and fails the test if no order explains it.
func (g *group) round(number int) {
	if a := g.Do("DELETE", g.dir, ""); a.Status != 204 && a.Status != 404 {
		g.Errorf("DELETE %s = %d\n%s", g.dir, a.Status, a.Body)
	}
	g.Do("MKCOL", g.dir, "")
	var first, all []*harness.Request
	for range g.r.IntN(5) { // the tree before the round
		q := g.newRequest()
		first = append(first, q)
		if err := g.send(q); err != nil {
			g.Error(err)
			return
		}
	}
	before := g.list()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 5 {
		mine := []*harness.Request{g.newRequest(), g.newRequest()}
		all = append(all, mine...)
		wg.Go(func() {
			<-start
			for _, q := range mine {
				if err := g.send(q); err != nil {
					g.Error(err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	after := g.list()
	for _, q := range slices.Concat(first, all) {
		if q.Token != "" { // so that the next round can delete all; the lock may have ended
			g.Do("UNLOCK", g.dir+q.Name, "", "Lock-Token", q.Token)
		}
	}
	if before == nil || after == nil || g.Failed() {
		return
	}
	search := serialSearch{all: all, want: after.String(), failed: map[string]bool{}}
	if !search.search(before, 0) {
		var lines []string
		slices.SortFunc(all, func(a, b *harness.Request) int { return a.Sent.Compare(b.Sent) })
		for _, q := range all {
			lines = append(lines, fmt.Sprintf("%6d µs to %6d µs  %s", q.Sent.Sub(all[0].Sent).Microseconds(), q.Answered.Sub(all[0].Sent).Microseconds(), q))
		}
		g.Errorf("round %d in %s: no order of these requests explains their answers and what is there after them\nbefore %s\nafter  %s\n%s",
			number, g.dir, before, after, strings.Join(lines, "\n"))
	}
}

// isLocked reports whether a resource is locked.
func (g *group) isLocked(name string) bool {
	a := g.Do("PROPFIND", g.dir+name, `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`, "Depth", "0")
	return strings.Contains(a.Body, "activelock")
}
