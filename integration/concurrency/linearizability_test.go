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

// TestSerialOrder looks for the order that explains what clients saw. Ten groups of five clients
// each have a collection with the same few names. In a round the clients of a group send two
// requests each, all at once; then it is looked at what is there. A model, which is the RFC spelled
// out on a map of names and knows nothing of the server, must give all the answers and end with the
// same tree, properties and contents in some order of the requests: one that has no request before
// another that had its answer before the first was sent.
func TestSerialOrder(t *testing.T) {
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
	locks bool // the names are those of files, which are locked, too; otherwise they may be collections with members
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

// make makes up a request.
func (g *group) make() *harness.Request {
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

// send sends a request and notes what was seen: the status, and what a GET or PROPFIND found.
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

// nodes reads the answer to colourOf, by names without the collection of the group.
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

// look returns what is there.
func (g *group) look() harness.Model {
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

// round is one round of a group. It fails the test if no order explains it.
func (g *group) round(number int) {
	if a := g.Do("DELETE", g.dir, ""); a.Status != 204 && a.Status != 404 {
		g.Errorf("DELETE %s = %d\n%s", g.dir, a.Status, a.Body)
	}
	g.Do("MKCOL", g.dir, "")
	var first, all []*harness.Request
	for range g.r.IntN(5) { // something to begin with
		q := g.make()
		first = append(first, q)
		if err := g.send(q); err != nil {
			g.Error(err)
			return
		}
	}
	before := g.look()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 5 {
		mine := []*harness.Request{g.make(), g.make()}
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
	after := g.look()
	for _, q := range slices.Concat(first, all) {
		if q.Token != "" { // so that the next round can begin with nothing; the lock may be gone
			g.Do("UNLOCK", g.dir+q.Name, "", "Lock-Token", q.Token)
		}
	}
	if before == nil || after == nil || g.Failed() {
		return
	}
	search := serialSearch{all: all, want: after.String(), failed: map[string]bool{}}
	if !search.from(before, 0) {
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
