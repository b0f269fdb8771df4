package middleware

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wrap returns h behind Log and Recover, as the command does.
func wrap(h http.HandlerFunc) http.Handler {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return Log(log)(Recover(log)(h))
}

// recordingWriter is a ResponseWriter that records which of its methods were called.
type recordingWriter struct {
	http.ResponseWriter
	readFrom io.Reader
	deadline time.Time
	flushed  bool
}

func (w *recordingWriter) ReadFrom(r io.Reader) (int64, error) {
	w.readFrom = r
	return io.Copy(struct{ io.Writer }{w.ResponseWriter}, r)
}

func (w *recordingWriter) SetReadDeadline(t time.Time) error { w.deadline = t; return nil }
func (w *recordingWriter) FlushError() error                 { w.flushed = true; return nil }

func TestResponseWriterMethods(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	w := &recordingWriter{ResponseWriter: httptest.NewRecorder()}
	deadline := time.Now()
	wrap(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(deadline); err != nil {
			t.Errorf("SetReadDeadline = %v, want nil", err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "", time.Time{}, f)
		if err := rc.Flush(); err != nil {
			t.Errorf("Flush = %v", err)
		}
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !w.deadline.Equal(deadline) || !w.flushed {
		t.Errorf("deadline, flushed = %v, %v, want both passed on", w.deadline, w.flushed)
	}
	// net/http uses sendfile for a file or a LimitedReader of one.
	limited, ok := w.readFrom.(*io.LimitedReader)
	if !ok {
		t.Fatalf("ReadFrom got %T, want *io.LimitedReader", w.readFrom)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("ReadFrom got a LimitedReader of %T, want *os.File", limited.R)
	}
}

func TestFlusher(t *testing.T) {
	w := &recordingWriter{ResponseWriter: httptest.NewRecorder()}
	wrap(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !w.flushed {
		t.Error("http.Flusher is not passed on")
	}
}

// plainWriter is a ResponseWriter without optional methods.
type plainWriter struct{ http.ResponseWriter }

func TestUnsupported(t *testing.T) {
	wrap(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Flush = %v, want http.ErrNotSupported", err)
		}
	}).ServeHTTP(plainWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
}

func TestHijack(t *testing.T) {
	srv := httptest.NewServer(wrap(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack = %v", err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 299 Mine\r\nContent-Length: 0\r\n\r\n")
		conn.Close()
	}))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 299 {
		t.Errorf("status = %d, want 299", resp.StatusCode)
	}
}

func TestRecover(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		handler http.HandlerFunc
		status  int    // 0: the connection is broken
		log     string // what the log holds, "" for nothing
	}{
		{"no panic, no change", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 204, ""},
		{"a panic before the answer is a 500", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Header().Set("ETag", `"x"`)
			panic("boom")
		}, 500, "boom"},
		{"so is one of an error", func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) }, 500, "boom"},
		{"an interim response is not the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			panic("boom")
		}, 500, "boom"},
		{"a panic in the answer breaks the connection", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<D:multistatus>")
			http.NewResponseController(w).Flush()
			panic("boom")
		}, 0, "boom"},
		{"also where it could be taken for whole", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			panic("boom")
		}, 0, "boom"},
		{"http.ErrAbortHandler goes through, silently", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var l logBuffer
			srv := httptest.NewServer(Recover(slog.New(slog.NewTextHandler(&l, nil)))(tt.handler))
			defer srv.Close()
			status, etag, err := get(srv.URL)
			switch {
			case tt.status == 0 && err == nil:
				t.Errorf("status = %d, want a broken connection", status)
			case tt.status != 0 && (err != nil || status != tt.status):
				t.Errorf("status = %d (%v), want %d", status, err, tt.status)
			case etag != "":
				t.Errorf("ETag = %s, want none", etag)
			}
			if got := l.String(); !strings.Contains(got, tt.log) || tt.log == "" && got != "" || strings.Count(got, "\n") > 1 {
				t.Errorf("log = %q, want one line with %q", got, tt.log)
			}
		})
	}
}

// get sends a request without retries.
func get(url string) (status int, etag string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("ETag"), err
}

func TestRecoverNilLogger(t *testing.T) {
	rec := httptest.NewRecorder()
	Recover(nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).
		ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "boom") {
		t.Errorf("answer = %d %q, want a 500 without details", rec.Code, rec.Body)
	}
}
