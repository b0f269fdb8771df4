package middleware

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// Each line about a request has the address of the client, once, whatever is logged and by which
// part of the server; also if the requests themselves are not logged.
func TestWithRemote(t *testing.T) {
	users, err := OpenUsers(usersFile(t, "ann", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	trusted := netip.MustParsePrefix("192.0.2.1/32")
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelWarn} {
		var l logBuffer
		log := slog.New(WithRemote(slog.NewJSONHandler(&l, &slog.HandlerOptions{Level: level}))).With("a", 1)
		serve := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			log.DebugContext(r.Context(), "refused")
			log.WithGroup("g").WarnContext(r.Context(), "failed")
			panic("x")
		})
		basic := Authenticate(AuthOptions{Users: users, Logger: log, TrustedProxies: []netip.Prefix{trusted}})
		h := Log(log, trusted)(Recover(log)(basic(serve)))
		for _, password := range []string{"wrong", "1"} {
			r := httptest.NewRequest("PUT", "/a", nil)
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
			r.SetBasicAuth("ann", password)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		log.Error("nothing about a request")
		lines := bytes.Split(bytes.TrimSpace([]byte(l.String())), []byte("\n"))
		want := 7
		if level == slog.LevelWarn {
			want = 4
		}
		if len(lines) != want {
			t.Errorf("%d lines, want %d: %s", len(lines), want, l.String())
		}
		for i, line := range lines {
			var e struct {
				Remote string
				G      struct{ Remote string }
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			last, n := i == len(lines)-1, bytes.Count(line, []byte(`"remote"`))
			if (e.Remote+e.G.Remote == "198.51.100.7" && n == 1) == last {
				t.Errorf("a line with remote %q, %d times: %s", e.Remote, n, line)
			}
		}
	}
}
