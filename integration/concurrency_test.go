package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server"
	"dav207/server/locks"
	"dav207/server/resource"
)

// storm is many clients that change the same few names. Names have at most three segments, of which each level has its
// own, and are copied and moved within their level only: so the tree cannot grow.
type storm struct {
	*site
	stop time.Time
	// locked says that clients take locks, on /k and what is below it only. Elsewhere nothing may ever be 423.
	locked bool
}

// stormTime is how long each of the four storms lasts.
func stormTime() time.Duration {
	if testing.Short() {
		return 500 * time.Millisecond
	}
	return 2 * time.Second
}

// TestConcurrency has clients work on the same names. Whatever order the server found, each answer must be one that some
// order explains, and what is left must be whole.
func TestConcurrency(t *testing.T) {
	for _, b := range backends {
		for _, locked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s locks %v", b.name, locked), func(t *testing.T) {
				files, dir := b.open(t)
				store, table := &props.Memory{}, locks.New(nil)
				s := serve(t, files, &server.Options{Props: store, Locks: table,
					Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))})
				s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
				defer s.client.CloseIdleConnections()
				s.want(201, "MKCOL", "/ball", "")
				s.want(201, "PUT", "/ball/0", content("ball", 5000))
				x := &storm{s, time.Now().Add(stormTime()), locked}
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() { x.client(i) })
				}
				for i := range 2 {
					wg.Go(func() { x.play(i) })
				}
				if locked {
					for i := range 3 {
						wg.Go(func() { x.hold(i) })
					}
				}
				wg.Wait()
				x.check(files, store, table)
				noAsides(t, dir)
			})
		}
	}
}

// content is what a client puts: it says itself what it must be as a whole.
func content(id string, size int) string {
	head := fmt.Sprintf("%s %d|", id, size)
	return head + strings.Repeat(id+".", size)[:size]
}

// checkContent reports a file that is not one whole version.
func (x *storm) checkContent(name, got string) {
	head, _, ok := strings.Cut(got, "|")
	id, n, ok2 := strings.Cut(head, " ")
	size, err := strconv.Atoi(n)
	if got == "" && x.locked {
		return // made by a LOCK (§9.10.4), perhaps copied or moved since
	}
	if !ok || !ok2 || err != nil || got != content(id, size) {
		x.Errorf("%s is not one whole version: %d bytes, %.40q...", name, len(got), got)
	}
}

// level returns a random name of n segments.
func (x *storm) level(r *rand.Rand, n int) string {
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
func (x *storm) client(id int) {
	r := rand.New(rand.NewPCG(1, uint64(id)))
	mine := map[string]string{} // tokens by name
	for n := 0; time.Now().Before(x.stop) && !x.Failed(); n++ {
		level := 1 + r.IntN(3)
		name, dst := x.level(r, level), x.level(r, level)
		var header []string
		if token := mine[name]; token != "" && r.IntN(2) == 0 {
			header = []string{"If", "<" + x.at(name) + "> (<" + token + ">) (Not <DAV:no-lock>)"}
		}
		switch op := r.IntN(20); {
		case op < 5:
			x.request(id, "PUT", name, "", content(fmt.Sprintf("%d-%d", id, n), r.IntN(20_000)), header, 201, 204, 405, 409)
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
			}
		case op < 18:
			a := x.request(id, "PROPFIND", name, "", "", []string{"Depth", "infinity"}, 207, 404)
			if a.Status == 207 {
				for _, resp := range decode(x, a.Body) {
					if resp.Status != "" { // what vanished is left out, and nothing else can have failed
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
			a := x.request(id, "LOCK", name, "", lockBody, []string{"Depth", []string{"0", "infinity"}[r.IntN(2)]}, 200, 201, 207, 409, 423)
			if token := a.Header.Get("Lock-Token"); token != "" {
				mine[name] = strings.Trim(token, "<>")
			}
		}
	}
	for name, token := range mine {
		x.request(id, "UNLOCK", name, "", "", []string{"Lock-Token", "<" + token + ">"}, 204, 409)
	}
}

// request makes a request and fails the test where its status is not one of those that some serial order explains. Locks
// add 423, and 207 for requests with members.
func (x *storm) request(id int, method, name, dst, body string, header []string, ok ...int) answer {
	if dst != "" {
		header = append(header, "Destination", "dest:"+dst)
	}
	a, err := x.try(method, name, strings.NewReader(body), header...)
	if err != nil {
		x.Errorf("client %d: %s %s %s: %v", id, method, name, dst, err)
		return a
	}
	if x.locked && (strings.HasPrefix(name, "/k") || strings.HasPrefix(dst, "/k")) {
		ok = append(ok, http.StatusLocked)
		if a.Status == http.StatusMultiStatus && (method == "DELETE" || method == "COPY" || method == "MOVE") {
			for href, status := range failures(x, a) {
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

// play moves one file among a few names. There is always exactly one.
func (x *storm) play(id int) {
	r := rand.New(rand.NewPCG(2, uint64(id)))
	for time.Now().Before(x.stop) && !x.Failed() {
		from, to := r.IntN(4), r.IntN(4)
		if from != to {
			x.request(id, "MOVE", fmt.Sprint("/ball/", from), fmt.Sprint("/ball/", to), "", []string{"Overwrite", "F"}, 201, 404)
		}
	}
}

// hold takes a lock and is alone then: others who try to change the file are refused.
func (x *storm) hold(id int) {
	r := rand.New(rand.NewPCG(3, uint64(id)))
	for n := 0; time.Now().Before(x.stop) && !x.Failed(); n++ {
		if r.IntN(3) == 0 {
			a, err := x.try("PUT", "/held", strings.NewReader(content("intruder", 10)))
			if err != nil || a.Status != 201 && a.Status != 204 && a.Status != 423 {
				x.Errorf("PUT /held = %d, %v", a.Status, err)
			}
			continue
		}
		a, err := x.try("LOCK", "/held", strings.NewReader(lockBody), "Depth", "0")
		if err != nil || a.Status != 200 && a.Status != 201 && a.Status != 423 {
			x.Errorf("LOCK /held = %d, %v", a.Status, err)
		}
		if a.Status == 423 || err != nil {
			continue
		}
		token := a.Header.Get("Lock-Token")
		mine := content(fmt.Sprintf("holder %d-%d", id, n), 10)
		a, err = x.try("PUT", "/held", strings.NewReader(mine), "If", "("+token+")")
		if err != nil || a.Status != 204 {
			x.Errorf("PUT /held with its token = %d, %v", a.Status, err)
		}
		for range 3 {
			if a, err = x.try("GET", "/held", nil); err != nil || a.Body != mine {
				x.Errorf("/held is %q while it is locked by who put %q, %v", a.Body, mine, err)
			}
		}
		if a, err = x.try("UNLOCK", "/held", nil, "Lock-Token", token); err != nil || a.Status != 204 {
			x.Errorf("UNLOCK /held = %d, %v", a.Status, err)
		}
	}
}

// check looks at what the storm left.
func (x *storm) check(files webdav.FileSystem, store props.Store, table *locks.Table) {
	exists := x.walk(files, "/")
	served := x.tree("/")
	if !slices.Equal(served, exists) {
		x.Errorf("PROPFIND lists %q, there are %q", served, exists)
	}
	balls := 0
	for _, name := range exists {
		if strings.HasSuffix(name, "/") {
			continue
		}
		got := x.want(200, "GET", name, "").Body
		if path.Dir(name) == "/ball" {
			balls++
			if got != content("ball", 5000) {
				x.Errorf("%s is not what was moved", name)
			}
			continue
		}
		if name == "/held" {
			continue
		}
		x.checkContent(name, got)
	}
	if balls != 1 {
		x.Errorf("the one file that was moved is there %d times", balls)
	}
	there := func(p resource.Path) bool {
		return slices.Contains(exists, p.String()) || slices.Contains(exists, strings.TrimSuffix(p.String(), "/")+"/")
	}
	for _, l := range table.Below(resource.Root) {
		x.Errorf("the lock on %s is left over, which is there: %v", l.Root, there(l.Root))
	}
	// Properties of what is not there would appear on the next file of that name.
	orphans := 0
	for p := range x.universe() {
		found, err := store.Get(context.Background(), p)
		if err != nil {
			x.Fatal(err)
		}
		if len(found) > 0 && !there(p) {
			orphans++
			x.Errorf("%s has properties and is not there", p)
		}
	}
	// Nothing stands in the way any more.
	for _, name := range []string{"/a", "/b", "/c", "/d", "/k", "/held", "/ball"} {
		if a := x.do("DELETE", name, ""); a.Status != 204 && a.Status != 404 {
			x.Errorf("DELETE %s after the storm = %d\n%s", name, a.Status, a.Body)
		}
	}
	if left := x.walk(files, "/"); !slices.Equal(left, []string{"/"}) {
		x.Errorf("after deleting everything there are %q", left)
	}
}

// universe yields every name that a storm can make.
func (x *storm) universe() func(yield func(resource.Path) bool) {
	return func(yield func(resource.Path) bool) {
		for _, a := range "abcdk" {
			for _, b := range " xs" {
				for _, c := range " uv" {
					name := strings.TrimRight(fmt.Sprintf("/%c/%c/%c", a, b, c), " /")
					if !strings.Contains(name, " ") && !yield(resource.Must(name)) {
						return
					}
				}
			}
		}
	}
}

// walk lists what a file system has, as it has it: the server's own files included.
func (x *storm) walk(files webdav.FileSystem, name string) []string {
	x.Helper()
	found := []string{name}
	f, err := files.OpenFile(context.Background(), name, os.O_RDONLY, 0)
	if err != nil {
		x.Fatal(err)
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	if err != nil {
		x.Fatal(err)
	}
	for _, info := range infos {
		if resource.Reserved(info.Name()) {
			x.Errorf("left over: %s", path.Join(name, info.Name()))
		}
		if info.IsDir() {
			found = append(found, x.walk(files, path.Join(name, info.Name())+"/")...)
		} else {
			found = append(found, path.Join(name, info.Name()))
		}
	}
	slices.Sort(found)
	return found
}

// noAsides checks that nothing written aside is left below a served directory; "" is none.
func noAsides(t testing.TB, dir string) {
	t.Helper()
	if n := asides(t, dir); n != 0 {
		t.Errorf("%d files or directories written aside are left over", n)
	}
}

// asides counts what is written aside at the moment.
func asides(t testing.TB, dir string) int {
	t.Helper()
	if dir == "" {
		return 0
	}
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was, a moment ago
		}
		if err == nil && resource.Aside(d.Name()) {
			n++
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}
