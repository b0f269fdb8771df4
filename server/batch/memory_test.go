package batch

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dav207/server/access"
)

// post sends a batch as a user.
func post(h http.Handler, user, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/$batch", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(access.WithPrincipal(r.Context(), user)))
	return w
}

// While others have all the memory for what is large, a large envelope is 503 and nothing was done;
// so is a large answer, for its item. What is small is served.
func TestBusy(t *testing.T) {
	ran := 0
	h := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran++
		if r.URL.Path == "/large" {
			w.Write(make([]byte, 2*spoolMemory))
		}
	}), nil)
	h.largeWait = 10 * time.Millisecond
	const items = `{"operations":[{"method":"GET","url":"/large"},{"method":"GET","url":"/small"}]}`
	large := fmt.Sprintf(`{"operations":[{"method":"PUT","url":"/f","body":%q}]}`, strings.Repeat("x", 2*spoolMemory))
	for range maxLarge {
		if err := h.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w := post(h, "ann", large); w.Code != 503 || w.Header().Get("Retry-After") != "1" || ran != 0 {
		t.Errorf("a large envelope = %d %v, and %d items have run; want 503", w.Code, w.Header(), ran)
	}
	w := post(h, "ann", items)
	if body := w.Body.String(); w.Code != 207 || strings.Count(body, `"status":503,"headers":{"Content-Type":"application/json","Retry-After":"1"}`) != 1 || !strings.Contains(body, `"index":1,"status":200`) {
		t.Errorf("a large and a small answer = %d %s, want 503 and 200", w.Code, body)
	}
	for range maxLarge {
		h.release()
	}
	for range 2 * maxLarge { // nothing is kept
		if w := post(h, "ann", large); w.Code != 200 {
			t.Errorf("a large envelope = %d after that, want 200", w.Code)
		}
		if w := post(h, "ann", items); strings.Contains(w.Body.String(), `"status":503`) || w.Body.Len() < 2*spoolMemory {
			t.Errorf("items = %d %.200s after that", w.Code, w.Body)
		}
	}
	if n := len(h.large); n != 0 {
		t.Errorf("%d are still acquired", n)
	}
}

// A user has so many batches at once, and all have so many: more are 429 and 503, before the body.
func TestManyBatches(t *testing.T) {
	h := New(http.NotFoundHandler(), nil)
	const batch = `{"operations":[{"method":"GET","url":"/f"}]}`
	var held []*io.PipeWriter
	ended := make(chan struct{})
	hold := func(user string) {
		before := len(h.batches)
		body, w := io.Pipe()
		r := httptest.NewRequest("POST", "/$batch", body)
		r.Header.Set("Content-Type", "application/json")
		go func() {
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(access.WithPrincipal(r.Context(), user)))
			ended <- struct{}{}
		}()
		for len(h.batches) == before {
			time.Sleep(time.Millisecond)
		}
		held = append(held, w)
	}
	for i := range maxBatches {
		if user := fmt.Sprint("user", i/maxPerUser); i%maxPerUser == 0 && i > 0 {
			if w := post(h, fmt.Sprint("user", i/maxPerUser-1), batch); w.Code != 429 || w.Header().Get("Retry-After") == "" {
				t.Errorf("one more of a user = %d %v, want 429", w.Code, w.Header())
			}
			if w := post(h, user, batch); w.Code != 207 {
				t.Errorf("one of another user = %d, want 207", w.Code)
			}
		}
		hold(fmt.Sprint("user", i/maxPerUser))
	}
	if w := post(h, "one more", batch); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more in all = %d %v, want 503", w.Code, w.Header())
	}
	for _, w := range held {
		io.WriteString(w, batch)
		w.Close()
		<-ended
	}
	if w := post(h, "one more", batch); w.Code != 207 {
		t.Errorf("after they have ended = %d, want 207", w.Code)
	}
}
