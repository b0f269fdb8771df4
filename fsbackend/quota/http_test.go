package quota_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/fsbackend/quota"
	"dav207/server"
)

func put(t *testing.T, f fsbackend.Backend, name string, size int) {
	t.Helper()
	u, err := f.Create(t.Context(), at(name))
	if err == nil {
		_, err = io.WriteString(u, strings.Repeat("x", size))
	}
	if err == nil {
		_, err = u.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.ErrUnexpectedEOF
}

var failures = regexp.MustCompile(`<D:href>([^<]*)</D:href><D:status>HTTP/1.1 (\d+)`)

// do sends "METHOD /path [/destination]" and returns the status, those of a 207, and whether
// quota-not-exceeded or sufficient-disk-space is in the answer.
func do(h http.Handler, line string, body io.Reader, length int64) string {
	f := strings.Fields(line)
	r := httptest.NewRequest(f[0], f[1], body)
	if r.ContentLength = length; length > 1<<15 {
		r.Header.Set("Expect", "100-continue")
	}
	if len(f) > 2 {
		r.Header.Set("Destination", f[2])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := fmt.Sprint(w.Code)
	for _, m := range failures.FindAllStringSubmatch(w.Body.String(), -1) {
		answer += " " + m[1] + "=" + m[2]
	}
	for _, condition := range []string{"quota-not-exceeded", "sufficient-disk-space"} {
		if strings.Contains(w.Body.String(), "<D:"+condition+"/>") {
			answer += " " + condition
		}
	}
	return answer
}

// TestQuota sends requests to a tree with 100,000 bytes of which /a, /c/1 and /c/2 use 70,000.
func TestQuota(t *testing.T) {
	const full, exceeded = "507 quota-not-exceeded", " quota-not-exceeded"
	for _, back := range []struct {
		name string
		open func(t *testing.T) fsbackend.Backend
	}{
		{"memory", func(*testing.T) fsbackend.Backend { return memory.New(nil).Backend() }},
		{"disk", func(t *testing.T) fsbackend.Backend { return openDisk(t, t.TempDir(), nil) }},
		{"disk with Sync", func(t *testing.T) fsbackend.Backend { return openDisk(t, t.TempDir(), &disk.Options{Sync: true}) }},
	} {
		for _, tt := range []struct {
			request string
			length  int64 // of the body; negative: chunked
			answer  string
			used    int64
		}{
			{"PUT /new", 30_000, "201", 100_000},
			{"PUT /new", -30_000, "201", 100_000},
			{"PUT /new", 30_001, full, 70_000},
			{"PUT /new", -30_001, full, 70_000},
			{"PUT /new", 40_000, full, 70_000}, // before the body, which is too large for a buffer
			{"PUT /new", 1 << 62, full, 70_000},
			{"PUT /new", -200_000, full, 70_000},
			{"PUT /a", 80_000, "204", 100_000}, // 50,000 are given back
			{"PUT /a", 80_001, full, 70_000},
			{"PUT /a", 1, "204", 20_001},
			{"PUT /none/x", 1, "409", 70_000},
			{"PUT /c", 1, "405", 70_000},
			{"DELETE /a", 0, "204", 20_000},
			{"DELETE /c", 0, "204", 50_000},
			{"COPY /c /d", 0, "201", 90_000},
			{"COPY /c/1 /d", 0, "201", 80_000},
			{"COPY /a /d", 0, full, 70_000},
			{"COPY /a /c/1", 0, full, 70_000},
			{"COPY /c/1 /a", 0, "204", 30_000},
			{"COPY /c /a", 0, "204", 40_000},
			{"COPY /c/1 /c", 0, "403", 70_000},
			{"MOVE /a /d", 0, "201", 70_000},
			{"MOVE /a /c/1", 0, "204", 60_000},
			{"MOVE /a /c", 0, "204", 50_000},
			{"MOVE /c /a", 0, "204", 20_000},
			{"COPY /big /c/big", 0, full, 70_000},
			{"COPY /e /d", 0, "207 /d/3=507" + exceeded, 90_000}, // what fits is copied
		} {
			if tt.length == 1<<62 && back.name != "memory" {
				continue // the volume has less
			}
			t.Run(fmt.Sprintf("%s %s %d", back.name, tt.request, tt.length), func(t *testing.T) {
				inner := back.open(t)
				for _, c := range []string{"/c", "/e"} {
					if err := inner.Mkdir(t.Context(), at(c)); err != nil {
						t.Fatal(err)
					}
				}
				put(t, inner, "/a", 50_000)
				put(t, inner, "/c/1", 10_000)
				put(t, inner, "/c/2", 10_000)
				limit := quota.NewLimit(100_000)
				if strings.Contains(tt.request, "/e ") {
					put(t, inner, "/e/1", 10_000)
					put(t, inner, "/e/2", 10_000)
					put(t, inner, "/e/3", 20_000)
					limit.SetMax(145_000)
					tt.used += 40_000
				}
				if strings.Contains(tt.request, "/big ") {
					put(t, inner, "/big", 90_000)
					limit.SetMax(200_000)
					tt.used += 90_000
				}
				b := open(t, inner, limit)
				body := io.Reader(strings.NewReader(strings.Repeat("x", int(max(-tt.length, min(tt.length, 100_000))))))
				if tt.answer == full && tt.length > 1<<15 {
					body = unread{t}
				}
				if got := do(server.New(b, nil), tt.request, body, max(tt.length, -1)); got != tt.answer {
					t.Errorf("answer %s, want %s", got, tt.answer)
				}
				if used, _ := limit.Usage(); used != tt.used {
					t.Errorf("used %d, want %d", used, tt.used)
				}
				wantExact(t, b, limit)
			})
		}
	}
}

// TestQuotaProperties: the properties of RFC 4331 are the numbers of the limit with the least room,
// or of the volume if that has less.
func TestQuotaProperties(t *testing.T) {
	for _, tt := range []struct {
		capacity uint64 // of the volume; 0: unknown
		limits   []int64
		want     string // quota-available-bytes and quota-used-bytes
	}{
		{0, []int64{100}, "90 10"},
		{0, []int64{100, 50}, "40 10"},
		{0, []int64{5}, "0 10"},
		{0, nil, ""},
		{30, []int64{100}, "20 10"},
		{30, nil, "20 10"},
	} {
		inner := memory.New(&memory.Options{Capacity: tt.capacity}).Backend()
		put(t, inner, "/f", 10)
		var limits []*quota.Limit
		for _, max := range tt.limits {
			limits = append(limits, quota.NewLimit(max))
		}
		r := httptest.NewRequest("PROPFIND", "/", strings.NewReader(
			`<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`))
		r.Header.Set("Depth", "0")
		w := httptest.NewRecorder()
		server.New(open(t, inner, limits...), nil).ServeHTTP(w, r)
		var got []string
		for _, m := range regexp.MustCompile(`-bytes>(\d+)<`).FindAllStringSubmatch(w.Body.String(), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("capacity %d, limits %d: %q, want %q", tt.capacity, tt.limits, got, tt.want)
		}
	}
}

// TestSharedLimit: two back ends share a limit, and one leaves it.
func TestSharedLimit(t *testing.T) {
	limit := quota.NewLimit(100)
	one, other := open(t, memory.New(nil).Backend(), limit), open(t, memory.New(nil).Backend(), limit, quota.NewLimit(1000))
	put(t, one, "/f", 60)
	if got := do(server.New(other, nil), "PUT /f", strings.NewReader(strings.Repeat("x", 41)), 41); got != "507 quota-not-exceeded" {
		t.Error(got)
	}
	put(t, other, "/f", 40)
	one.Close()
	if used, left := limit.Usage(); used != 40 || left != 60 {
		t.Errorf("used %d, left %d", used, left)
	}
}

// TestFailuresTakeNothing: what fails at any point gives back what it had reserved.
func TestFailuresTakeNothing(t *testing.T) {
	for _, op := range []faultfs.Op{faultfs.Create, faultfs.Write, faultfs.Commit, faultfs.Rename, faultfs.Remove, faultfs.Mkdir} {
		for _, request := range []string{"PUT /new", "PUT /a", "COPY /a /new", "COPY /c /new", "COPY /c /d", "COPY /a /c", "MOVE /a /c", "MOVE /c /new", "DELETE /c"} {
			files, limit := faultfs.New(openDisk(t, t.TempDir(), nil)), quota.NewLimit(1000)
			b := open(t, files, limit)
			for _, c := range []string{"/c", "/d"} {
				if err := b.Mkdir(t.Context(), at(c)); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"/a", "/c/1", "/c/2", "/d/1", "/d/3"} {
				put(t, b, name, 10)
			}
			files.Fail(op, "/**", syscall.EIO).After(1)
			do(server.New(b, nil), request, strings.NewReader("content"), 7)
			files.Reset()
			t.Run(string(op)+" "+request, func(t *testing.T) { wantExact(t, b, limit) })
		}
	}
}

// TestParallelUploads: concurrent uploads, copies and removals never exceed the limit together, and
// nothing leaks when clients go.
func TestParallelUploads(t *testing.T) {
	const max = 1 << 20
	dir := t.TempDir()
	limit := quota.NewLimit(max)
	b := open(t, openDisk(t, dir, nil), limit)
	srv := httptest.NewServer(server.New(b, nil))
	defer srv.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	send := func(method, name string, body io.Reader, length int64, ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, method, srv.URL+name, body)
		if err != nil {
			t.Error(err)
			return
		}
		r.ContentLength = length
		r.Header.Set("Destination", fmt.Sprintf("/copy%d", rand.IntN(4)))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return // it was given up
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		mu.Lock()
		answers[res.StatusCode]++
		mu.Unlock()
	}
	for g := range 8 {
		wg.Go(func() {
			for i := range 30 {
				name, size := fmt.Sprintf("/f%d", rand.IntN(10)), rand.IntN(300_000)
				body := io.Reader(strings.NewReader(strings.Repeat("x", size)))
				length := int64(size)
				ctx, cancel := context.WithCancel(t.Context())
				switch (g + i) % 6 {
				case 0:
					body, length = io.MultiReader(body), -1 // chunked
				case 1: // breaks off
					body = io.MultiReader(io.LimitReader(body, int64(size)/2), broken{})
				case 2:
					send("DELETE", name, nil, 0, ctx)
				case 3:
					send("COPY", name, nil, 0, ctx)
				}
				send("PUT", name, body, length, ctx)
				cancel()
				if used, _ := limit.Usage(); used > max {
					t.Errorf("used %d, more than %d", used, max)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if err := b.Recount(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	srv.Close() // the last requests have ended
	if answers[507] == 0 || answers[201]+answers[204] == 0 {
		t.Errorf("answers %v: the test proves nothing", answers)
	}
	if used, _ := limit.Usage(); used != sum(t, dir) || used > max {
		t.Errorf("used %d, on the disk %d", used, sum(t, dir))
	}
	wantExact(t, b, limit)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the client goes") }

// sum returns the bytes of all files that clients see.
func sum(t *testing.T, dir string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && !strings.HasPrefix(e.Name(), ".") {
			n += info.Size()
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	return n
}
