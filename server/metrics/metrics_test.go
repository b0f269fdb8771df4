package metrics

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/davpath"
	"dav207/server/middleware"
)

// scrape returns the samples of the metrics, by name with labels.
func scrape(t testing.TB, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("GET /metrics = %d %s", w.Code, w.Body)
	}
	samples := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			at := strings.LastIndexByte(line, ' ')
			samples[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return samples
}

// newHandler returns a handler that serves a tree in memory with the metrics of it.
func newHandler() (*Metrics, *server.Handler) {
	h := server.New(fsbackend.New(memory.New(nil)), nil)
	return New(Sources{Locks: h.Locks, Waiting: h.Waiting, StateBytes: func() int64 { return 4096 }}), h
}

func serve(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const lockBody = `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`

// Requests, and the members of their 207s, are counted by method and status.
func TestMetrics(t *testing.T) {
	m, tree := newHandler()
	h := m.Middleware(tree)
	serve(h, "MKCOL", "/c", "")
	serve(h, "PUT", "/c/a", "four")
	serve(h, "PUT", "/c/b", "four")
	serve(h, "PUT", "/c/b", "four")
	serve(h, "GET", "/c/a", "")
	serve(h, "GET", "/missing", "")
	serve(h, "LOCK", "/c/a", lockBody)
	serve(h, "PROPFIND", "/c", `<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:none/></D:prop></D:propfind>`, "Depth", "1")
	serve(h, "DELETE", "/c", "")
	serve(h, "BREW", "/c", "")
	got := scrape(t, m)
	for sample, want := range map[string]string{
		`dav207_requests_total{method="MKCOL",status="201"}`:    "1",
		`dav207_requests_total{method="PUT",status="201"}`:      "2",
		`dav207_requests_total{method="PUT",status="204"}`:      "1",
		`dav207_requests_total{method="GET",status="200"}`:      "1",
		`dav207_requests_total{method="GET",status="404"}`:      "1",
		`dav207_requests_total{method="PROPFIND",status="207"}`: "1",
		`dav207_requests_total{method="DELETE",status="207"}`:   "1",
		`dav207_requests_total{method="other",status="501"}`:    "1",
		// A property that a resource does not have is no failure (RFC 4918 §9.1).
		`dav207_members_total{method="PROPFIND",status="200"}`:           "3",
		`dav207_members_total{method="DELETE",status="423"}`:             "1",
		`dav207_received_bytes_total{method="PUT"}`:                      "12",
		`dav207_sent_bytes_total{method="GET"}`:                          "14", // four bytes, and "Not Found\n"
		`dav207_request_duration_seconds_count{method="PUT"}`:            "3",
		`dav207_request_duration_seconds_bucket{method="PUT",le="+Inf"}`: "3",
		`dav207_locks`:               "1",
		`dav207_requests_waiting`:    "0",
		`dav207_requests_running`:    "0",
		`dav207_state_bytes`:         "4096",
		`dav207_failed_logins_total`: "0",
		`dav207_connections`:         "0",
	} {
		if got[sample] != want {
			t.Errorf("%s = %q, want %s", sample, got[sample], want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if got[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
}

// What is broken off is no success, a recovered panic is a 500, and a 207 has its members even if
// it was broken off.
func TestMetricsOfFailures(t *testing.T) {
	m, _ := newHandler()
	panics := func(v any, status int) http.Handler {
		return m.Middleware(middleware.Recover(nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
			}
			if v != nil {
				panic(v)
			}
		})))
	}
	for _, h := range []http.Handler{panics("x", 0), panics(http.ErrAbortHandler, 0), panics("x", 200), panics(nil, 0), panics(nil, 299), panics(nil, 799)} {
		func() {
			defer func() { recover() }()
			serve(h, "GET", "/", "")
		}()
	}
	got := scrape(t, m)
	for status, want := range map[string]string{"500": "1", "aborted": "2", "200": "1", "2xx": "1", "other": "1"} {
		if sample := fmt.Sprintf(`dav207_requests_total{method="GET",status=%q}`, status); got[sample] != want {
			t.Errorf("%s = %q, want %s", sample, got[sample], want)
		}
	}
	if got["dav207_requests_running"] != "0" {
		t.Errorf("%s requests run after a panic", got["dav207_requests_running"])
	}
}

// No client can make more than a bounded number of time series.
func TestMetricsAreBounded(t *testing.T) {
	m, _ := newHandler()
	h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscan(r.URL.Path[1:], &status)
		w.WriteHeader(status)
	}))
	for i := range 2000 {
		serve(h, fmt.Sprintf("M%d", i), fmt.Sprintf("/%d", 200+i%800), "")
	}
	names := maps.Clone(scrape(t, m))
	maps.DeleteFunc(names, func(name, _ string) bool { return !strings.HasPrefix(name, "dav207_requests_total") })
	if len(names) > 70 {
		t.Errorf("%d time series for 2000 methods and 800 statuses", len(names))
	}
}

// slow is a back end in which MKCOL takes until unblock is closed.
type slow struct {
	fsbackend.Backend
	unblock chan struct{}
}

func (b *slow) Mkdir(ctx context.Context, p davpath.Path) error {
	<-b.unblock
	return b.Backend.Mkdir(ctx, p)
}

// Requests under way, those that wait for others, and connections are seen while they are there.
func TestMetricsUnderWay(t *testing.T) {
	files := &slow{fsbackend.New(memory.New(nil)), make(chan struct{})}
	tree := server.New(files, nil)
	m := New(Sources{Waiting: tree.Waiting})
	srv := httptest.NewUnstartedServer(m.Middleware(tree))
	srv.Config.ConnState = m.ConnState
	srv.Start()
	defer srv.Close()
	await := func(running, waiting, connections string) {
		t.Helper()
		want := [3]string{running, waiting, connections}
		var got [3]string
		for end := time.Now().Add(10 * time.Second); got != want && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			all := scrape(t, m)
			got = [3]string{all["dav207_requests_running"], all["dav207_requests_waiting"], all["dav207_connections"]}
		}
		if got != want {
			t.Errorf("running, waiting, connections = %q, want %q", got, want)
		}
	}
	answers := make(chan int, 3)
	for range cap(answers) {
		go func() {
			r, _ := http.NewRequest("MKCOL", srv.URL+"/a", nil)
			resp, err := srv.Client().Do(r)
			if err != nil {
				answers <- 0
				return
			}
			resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	await("3", "2", "3")
	close(files.unblock)
	statuses := map[int]int{}
	for range cap(answers) {
		statuses[<-answers]++
	}
	if statuses[201] != 1 || statuses[405] != 2 {
		t.Errorf("three MKCOLs of one name: %v", statuses)
	}
	srv.Client().CloseIdleConnections()
	await("0", "0", "0")
}

// BenchmarkMiddleware reports the ratio of the medians of requests with and without metrics, which
// take turns.
func BenchmarkMiddleware(b *testing.B) {
	for _, method := range []string{"GET", "PROPFIND", "PUT"} {
		b.Run(method, func(b *testing.B) {
			m, tree := newHandler()
			serve(tree, "PUT", "/a", strings.Repeat("x", 1024))
			body := ""
			if method == "PUT" {
				body = strings.Repeat("x", 1024)
			}
			var took [2][]time.Duration
			var servers [2]*httptest.Server
			for i, h := range []http.Handler{tree, m.Middleware(tree)} {
				servers[i] = httptest.NewServer(h)
				defer servers[i].Close()
			}
			for n := 0; b.Loop(); n++ {
				for i := range servers {
					s := servers[(i+n)%2]
					r, _ := http.NewRequest(method, s.URL+"/a", strings.NewReader(body))
					r.Header.Set("Depth", "0")
					start := time.Now()
					resp, err := s.Client().Do(r)
					if err != nil {
						b.Fatal(err)
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					took[(i+n)%2] = append(took[(i+n)%2], time.Since(start))
				}
			}
			var medians [2]time.Duration
			for i := range took {
				slices.Sort(took[i])
				medians[i] = took[i][len(took[i])/2]
			}
			b.ReportMetric(float64(medians[1])/float64(medians[0]), "ratio")
			b.ReportMetric(float64(medians[1]-medians[0]), "ns-more/op")
		})
	}
}
