package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dav207/integration/harness"
)

// history is what clients know about their collection: the requests, the answers, and the tree that
// must follow. Only one request is open at a time, whichever client sends it. So harness.Model
// gives the exact answer, and when the server is killed there is at most one request whose outcome
// is unknown.
type history struct {
	dir string // the collection, such as "/c0"
	r   *rand.Rand

	mu    sync.Mutex
	tree  harness.Model   // names are below dir; locks are in the field locks
	locks map[string]held // by token
	ended map[string]held // locks that have ended, by token
	past  []*op
	open  *op // sent and not answered
	ids   int
	sent  int       // requests
	last  time.Time // when the last answer came
}

// held is a lock on a name, with Depth infinity if deep is true.
type held struct {
	root string
	deep bool
	when time.Time // when the answer came that granted or ended it
}

func (h held) covers(name string) bool { return h.root == name || h.deep && within(h.root, name) }

// within reports whether a name is below another.
func within(dir, name string) bool { return strings.HasPrefix(name, dir+"/") }

// op is a request, with details that the model does not need.
type op struct {
	harness.Request
	tokens  []string // that are submitted
	deep    bool     // LOCK with Depth: infinity
	chunked bool
	slow    bool // the body is sent in small pieces
	round   int
}

func (d *op) String() string {
	took := "no answer"
	if !d.Answered.IsZero() {
		took = fmt.Sprintf("%d µs", d.Answered.Sub(d.Sent).Microseconds())
	}
	s := fmt.Sprintf("round %d, %s, %s: %s", d.round, d.Sent.Format("05.000000"), took, &d.Request)
	for _, w := range []struct {
		is   bool
		word string
	}{{d.chunked, "chunked"}, {d.slow, "slow"}, {d.deep, "deep"}, {d.Token != "", d.Token}, {len(d.tokens) > 0, "with tokens"}} {
		if w.is {
			s += ", " + w.word
		}
	}
	return s
}

func newHistory(dir string, seed, number uint64) *history {
	return &history{dir: dir, r: rand.New(rand.NewPCG(seed, number)), tree: harness.Model{}, locks: map[string]held{}, ended: map[string]held{}}
}

// name returns a random name of a level.
func (l *history) name(level int) string {
	name := ""
	for _, of := range []string{"abc", "xy", "u"}[:level] {
		name += "/" + of[l.r.IntN(len(of)):][:1]
	}
	return name
}

// load describes the requests that clients send.
type load struct {
	most   int    // the largest size of a file
	favour string // a method that half of the requests have, or ""; COPY and MOVE then replace collections
	// full, if not nil, is called with answers that the model does not expect. It reports whether
	// the answer is a correct 507.
	full func(*history, *op, harness.Answer) bool
}

// makeOp returns a random request, mostly one that can succeed. COPY and MOVE stay on their level,
// so the tree cannot grow without limit.
func (l *history) makeOp(w load) *op {
	d := &op{tokens: slices.Sorted(maps.Keys(l.locks))}
	switch n := l.r.IntN(100); {
	case n < 32:
		d.Method = "PUT"
	case n < 44:
		d.Method = "MKCOL"
	case n < 52:
		d.Method = "DELETE"
	case n < 76:
		d.Method, d.Overwrite = []string{"COPY", "MOVE"}[n%2], l.r.IntN(4) > 0
	case n < 90 || n >= 96 && len(l.locks) == 0:
		d.Method = "PROPPATCH"
	case n < 96 && len(l.locks) < 4:
		d.Method, d.deep = "LOCK", l.r.IntN(2) == 0
	default:
		d.Method = "UNLOCK"
	}
	favoured := w.favour != "" && l.r.IntN(2) == 0
	if favoured && (w.favour != "UNLOCK" || len(l.locks) > 0) {
		d.Method, d.Overwrite = w.favour, true
	}
	for range 8 {
		level := 1 + l.r.IntN(3)
		d.Name = l.name(level)
		if d.Method == "COPY" || d.Method == "MOVE" {
			d.Dst = l.name(level)
		}
		n, there := l.tree[d.Name]
		switch d.Method {
		case "PUT":
			there = there && !n.Collection || !there && parentExists(l.tree, d.Name)
		case "MKCOL":
			there = !there && parentExists(l.tree, d.Name)
		case "COPY", "MOVE":
			to, replaced := l.tree[d.Dst]
			there = there && (!favoured || replaced && d.Dst != d.Name && (n.Collection || to.Collection))
		}
		if there {
			break
		}
	}
	// Other tests check these.
	if d.Method == "LOCK" && (l.nearLock(d.Name) || !parentExists(l.tree, d.Name)) || d.Dst != "" && l.nearLock(d.Dst) {
		d.Method, d.Dst = "PROPPATCH", ""
	}
	if (d.Method == "PUT" || d.Method == "PROPPATCH") && l.r.IntN(3) == 0 {
		d.tokens = nil // a client without the tokens
		if _, there := l.tree[d.Name]; !there && l.nearLock(parentName(d.Name)) {
			d.Method = "PROPPATCH" // the model does not have locks on the membership of a collection
		}
	}
	switch d.Method {
	case "PUT":
		d.Create = l.r.IntN(10) == 0
		if d.chunked, d.slow = l.r.IntN(3) == 0, l.r.IntN(20) == 0; d.slow {
			w.most = min(w.most, 50_000)
		}
		d.Value = l.value(w.most)
	case "PROPPATCH":
		if l.r.IntN(5) > 0 { // otherwise the properties are removed
			d.Value = l.value(1)
		}
	case "UNLOCK":
		d.Token = d.tokens[l.r.IntN(len(d.tokens))]
		d.Name = l.locks[d.Token].root
	}
	return d
}

// nearLock reports whether a name, an ancestor or a member of it is locked.
func (l *history) nearLock(name string) bool {
	for _, h := range l.locks {
		if h.covers(name) || within(name, h.root) {
			return true
		}
	}
	return false
}

// parentName returns the name of the parent, or "" for the collection of the history.
func parentName(name string) string { return name[:strings.LastIndexByte(name, '/')] }

// value returns a new value, with a random size for contentOf.
func (l *history) value(most int) string {
	l.ids++
	size := l.r.IntN(2000)
	switch l.r.IntN(20) {
	case 0, 1, 2, 3, 4:
		size = l.r.IntN(100_000)
	case 5:
		size = 1<<20 + l.r.IntN(2<<20)
	}
	return fmt.Sprintf("%s.%d:%d", l.dir[1:], l.ids, min(size, most))
}

// contentOf returns the content of a file with a value: the value repeated up to its size, so that
// madeOf recognises a mixture of two contents.
func contentOf(value string) string {
	if value == "" {
		return "" // LOCK creates an empty file
	}
	_, n, _ := strings.Cut(value, ":")
	size, _ := strconv.Atoi(n)
	block := value + "|"
	size = max(size, len(block))
	return strings.Repeat(block, size/len(block)+1)[:size]
}

// madeOf returns the value of a content, or an error text if contentOf did not make it.
func madeOf(content string) string {
	value, _, _ := strings.Cut(content, "|")
	if len(value) < 100 && contentOf(value) == content {
		return value
	}
	return fmt.Sprintf("damaged: %d bytes, %.60q", len(content), content)
}

// dead returns the dead properties that a PROPPATCH sets. All contain the same value, so that a
// mixture of two PROPPATCHes is recognised.
func dead(value string) [3]string {
	return [3]string{value, value + " again", strings.Repeat(value+" ", 300)}
}

func setDead(value string) string {
	if value == "" {
		return `<propertyupdate xmlns="DAV:"><remove><prop><p0 xmlns="urn:crash"/><p1 xmlns="urn:crash"/><p2 xmlns="urn:crash"/></prop></remove></propertyupdate>`
	}
	p := dead(value)
	return fmt.Sprintf(`<propertyupdate xmlns="DAV:"><set><prop><p0 xmlns="urn:crash">%s</p0><p1 xmlns="urn:crash">%s</p1></prop></set>`+
		`<set><prop><p2 xmlns="urn:crash">%s</p2></prop></set></propertyupdate>`, p[0], p[1], p[2])
}

// expect returns the tree after a request, and the answers that its client may get.
func (l *history) expect(d *op) (harness.Model, []string) {
	if d.Method == "UNLOCK" {
		return l.tree, []string{"204"}
	}
	before := l.tree
	if n, there := before[d.Name]; there && len(d.tokens) == 0 {
		for _, h := range l.locks {
			n.Locked = n.Locked || h.covers(d.Name)
		}
		before = before.With(d.Name, n)
	}
	after, seen := before.Apply(&d.Request)
	if after == nil {
		return l.tree, seen
	}
	if n := after[d.Name]; n.Locked {
		n.Locked = false
		after = after.With(d.Name, n)
	}
	return after, seen
}

// record updates the tree and the locks after an answer.
func (l *history) record(d *op, after harness.Model) {
	l.tree = after
	end := func(ends func(token string, h held) bool) {
		for token, h := range l.locks {
			if ends(token, h) {
				delete(l.locks, token)
				h.when = d.Answered
				l.ended[token] = h
			}
		}
	}
	switch {
	case d.Seen[0] != '2':
	case d.Method == "LOCK":
		l.locks[d.Token] = held{d.Name, d.deep, d.Answered}
	case d.Method == "UNLOCK":
		end(func(token string, _ held) bool { return token == d.Token })
	case d.Method == "DELETE", d.Method == "MOVE":
		end(func(_ string, h held) bool { return h.root == d.Name || within(d.Name, h.root) })
	}
}

// opsOn returns the latest requests for a name, its ancestors and its members.
func (l *history) opsOn(name string) string {
	related := func(other string) bool {
		return other != "" && (other == name || within(other, name) || within(name, other))
	}
	var lines []string
	for _, d := range l.past {
		if related(d.Name) || related(d.Dst) {
			lines = append(lines, "  "+d.String())
		}
	}
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
