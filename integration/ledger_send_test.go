package integration

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slowly is a body that comes in small pieces.
type slowly struct{ r io.Reader }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.r.Read(b[:min(len(b), 2<<10)])
}

// send sends a request and notes what was seen.
func (l *ledger) send(s *site, d *deed) (answer, error) {
	var header []string
	var body io.Reader = strings.NewReader("")
	switch d.method {
	case "PUT":
		body = strings.NewReader(contentOf(d.value))
		if d.slow {
			body = slowly{body}
		}
		if d.slow || d.chunked {
			body = struct{ io.Reader }{body} // which does not tell its length
		}
		if d.create {
			header = []string{"If-None-Match", "*"}
		}
	case "PROPPATCH":
		body = strings.NewReader(setDead(d.value))
	case "COPY", "MOVE":
		header = []string{"Destination", "dest:" + l.dir + d.dst, "Overwrite", map[bool]string{true: "T", false: "F"}[d.overwrite]}
	case "LOCK":
		body = strings.NewReader(exclusive)
		header = []string{"Timeout", "Second-3600", "Depth", map[bool]string{true: "infinity", false: "0"}[d.deep]}
	case "UNLOCK":
		header = []string{"Lock-Token", "<" + d.token + ">"}
	}
	if len(d.tokens) > 0 && d.method != "UNLOCK" {
		list := "<" + s.at(l.dir+d.name) + ">"
		for _, token := range d.tokens {
			list += " (<" + token + ">)"
		}
		header = append(header, "If", list+" (Not <DAV:no-lock>)") // that is true, whatever the others are (§10.4.8)
	}
	a, err := s.try(d.method, l.dir+d.name, body, header...)
	if err != nil {
		return a, err
	}
	d.answered = time.Now()
	d.seen = strconv.Itoa(a.Status)
	switch {
	case d.method == "PROPPATCH" && a.Status == 207:
		for _, r := range decode(s, a.Body) {
			for _, p := range r.Propstat {
				if status := code(p.Status); status != 200 {
					d.seen += " " + strconv.Itoa(status)
				}
			}
		}
	case d.method == "LOCK":
		d.token = strings.Trim(a.Header.Get("Lock-Token"), "<>")
	}
	return a, nil
}

// trade makes up a request, sends it, and compares the answer with what the model says. It returns false when there is
// nothing more to be done, because of how a request ended. sending, if not nil, hears of each that is about to be sent.
func (l *ledger) trade(s *site, round int, w load, f *fate, sending func(method string)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil || f.ended.Load() {
		return false
	}
	d := l.make(w)
	d.round, d.sent = round, time.Now()
	if l.past = append(l.past, d); len(l.past) > 2000 {
		l.past = slices.Clone(l.past[1000:])
	}
	if sending != nil {
		sending(d.method)
	}
	l.sent++
	a, err := l.send(s, d)
	if err != nil {
		l.open = d
		if !f.doomed.Load() {
			s.Errorf("%s%s: %v", l.dir, d.name, err)
		}
		return false
	}
	l.heard = d.answered
	after, seen := l.expect(d)
	if !slices.Contains(seen, d.seen) {
		if w.full != nil && w.full(l, d, a) {
			return true
		}
		s.Errorf("%s %s%s is answered by %s, want %v\n%s\n%s", d.method, l.dir, d.name, d.seen, seen, a.Body, l.history(d.name))
		return false
	}
	l.settle(d, after)
	return true
}
