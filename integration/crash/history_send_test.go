package crash

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"dav207/integration/harness"
)

// slowReader returns its data in small pieces with pauses.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.r.Read(b[:min(len(b), 2<<10)])
}

// send sends a request and records its answer.
func (l *history) send(s *harness.Site, d *op) (harness.Answer, error) {
	var header []string
	var body io.Reader = strings.NewReader("")
	switch d.Method {
	case "PUT":
		body = strings.NewReader(contentOf(d.Value))
		if d.slow {
			body = slowReader{body}
		}
		if d.slow || d.chunked {
			body = struct{ io.Reader }{body} // hides the length, so the body is chunked
		}
		if d.Create {
			header = []string{"If-None-Match", "*"}
		}
	case "PROPPATCH":
		body = strings.NewReader(setDead(d.Value))
	case "COPY", "MOVE":
		header = []string{"Destination", "dest:" + l.dir + d.Dst, "Overwrite", map[bool]string{true: "T", false: "F"}[d.Overwrite]}
	case "LOCK":
		body = strings.NewReader(harness.ExclusiveLock)
		header = []string{"Timeout", "Second-3600", "Depth", map[bool]string{true: "infinity", false: "0"}[d.deep]}
	case "UNLOCK":
		header = []string{"Lock-Token", "<" + d.Token + ">"}
	}
	if len(d.tokens) > 0 && d.Method != "UNLOCK" {
		list := "<" + s.At(l.dir+d.Name) + ">"
		for _, token := range d.tokens {
			list += " (<" + token + ">)"
		}
		header = append(header, "If", list+" (Not <DAV:no-lock>)") // always true (§10.4.8)
	}
	a, err := s.Try(d.Method, l.dir+d.Name, body, header...)
	if err != nil {
		return a, err
	}
	d.Answered = time.Now()
	d.Seen = strconv.Itoa(a.Status)
	switch {
	case d.Method == "PROPPATCH" && a.Status == 207:
		for _, r := range harness.DecodeMultistatus(s, a.Body) {
			for _, p := range r.Propstat {
				if status := harness.StatusCode(p.Status); status != 200 {
					d.Seen += " " + strconv.Itoa(status)
				}
			}
		}
	case d.Method == "LOCK":
		d.Token = strings.Trim(a.Header.Get("Lock-Token"), "<>")
	}
	return a, nil
}

// sendNext sends a random request and compares the answer with the model. It returns false if the
// client must not send more. If sending is not nil it is called before each request.
func (l *history) sendNext(s *harness.Site, round int, w load, f *killPlan, sending func(method string)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil || f.ended.Load() {
		return false
	}
	d := l.makeOp(w)
	d.round, d.Sent = round, time.Now()
	if l.past = append(l.past, d); len(l.past) > 2000 {
		l.past = slices.Clone(l.past[1000:])
	}
	if sending != nil {
		sending(d.Method)
	}
	l.sent++
	a, err := l.send(s, d)
	if err != nil {
		l.open = d
		if !f.begun.Load() {
			s.Errorf("%s%s: %v", l.dir, d.Name, err)
		}
		return false
	}
	l.last = d.Answered
	after, seen := l.expect(d)
	if !slices.Contains(seen, d.Seen) {
		if w.full != nil && w.full(l, d, a) {
			return true
		}
		s.Errorf("%s %s%s = %s, want one of %v\n%s\n%s", d.Method, l.dir, d.Name, d.Seen, seen, a.Body, l.opsOn(d.Name))
		return false
	}
	l.record(d, after)
	return true
}
