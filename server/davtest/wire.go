package davtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wireSpec is what happens to an answer on the wire. No honest server does any of it.
type wireSpec struct {
	Delay         duration    `json:"delay,omitzero"`
	Stall         *int        `json:"stall,omitempty"`
	Trickle       *int        `json:"trickle,omitempty"` // bytes of the body a second
	Reset         string      `json:"reset,omitempty"`
	Cut           *int        `json:"cut,omitempty"`
	Malformed     bool        `json:"malformed,omitempty"`
	ContentLength *int64      `json:"contentLength,omitempty"`
	ContentType   string      `json:"contentType,omitempty"`
	Answer        *wireAnswer `json:"answer,omitempty"`
	Challenge     bool        `json:"challenge,omitempty"`
	Redirect      string      `json:"redirect,omitempty"`
	Unavailable   *duration   `json:"unavailable,omitempty"`
}

// wireAnswer is an answer that does not come from the server.
type wireAnswer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
}

// Delay sends the answer only after d.
func (f *Fault) Delay(d time.Duration) *Fault {
	return f.onWire(func(w *wireSpec) { w.Delay = duration(d) })
}

// Stall sends n bytes of the body and then nothing, until the client goes or the server is closed.
func (f *Fault) Stall(n int) *Fault { return f.onWire(func(w *wireSpec) { w.Stall = &n }) }

// Trickle sends so many bytes of the body a second.
func (f *Fault) Trickle(bytesPerSecond int) *Fault {
	return f.onWire(func(w *wireSpec) { w.Trickle = &bytesPerSecond })
}

// Reset resets the connection (TCP RST): "before" the request is executed, "in" the middle of the
// body, or "after" the request was executed and without an answer, when a client cannot know.
func (f *Fault) Reset(when string) *Fault { return f.onWire(func(w *wireSpec) { w.Reset = when }) }

// Cut closes the connection after n bytes of the body.
func (f *Fault) Cut(n int) *Fault { return f.onWire(func(w *wireSpec) { w.Cut = &n }) }

// Malformed breaks the body: its last end tag is missing, or what is no XML ends in a "<".
func (f *Fault) Malformed() *Fault { return f.onWire(func(w *wireSpec) { w.Malformed = true }) }

// ContentLength sends this Content-Length, whatever the length of the body is.
func (f *Fault) ContentLength(n int64) *Fault {
	return f.onWire(func(w *wireSpec) { w.ContentLength = &n })
}

// ContentType sends this Content-Type.
func (f *Fault) ContentType(value string) *Fault {
	return f.onWire(func(w *wireSpec) { w.ContentType = value })
}

// Answer sends this answer, and does not execute the request. headers are lines as for Do.
func (f *Fault) Answer(status int, body string, headers ...string) *Fault {
	a := &wireAnswer{Status: status, Body: body}
	for _, line := range headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			f.server.t.Helper()
			f.server.t.Fatalf("davtest: header %q has no colon", line)
		}
		a.Header = with(a.Header, name, strings.TrimSpace(value))
	}
	return f.onWire(func(w *wireSpec) { w.Answer = a })
}

// Challenge answers 401, as a server does that asks for a password. With Times(1) it is what a
// client sees that sends its password only when it is asked.
func (f *Fault) Challenge() *Fault { return f.onWire(func(w *wireSpec) { w.Challenge = true }) }

// Redirect answers 302 with this Location.
func (f *Fault) Redirect(location string) *Fault {
	return f.onWire(func(w *wireSpec) { w.Redirect = location })
}

// Unavailable answers 503 with this Retry-After, rounded up to whole seconds.
func (f *Fault) Unavailable(retryAfter time.Duration) *Fault {
	return f.onWire(func(w *wireSpec) { w.Unavailable = new(duration(retryAfter)) })
}

func (f *Fault) onWire(change func(*wireSpec)) *Fault {
	f.server.t.Helper()
	return f.set(func(s *faultSpec) {
		if s.Wire == nil {
			s.Wire = &wireSpec{}
		}
		change(s.Wire)
	})
}

// The values of wireSpec.Reset.
const (
	resetBefore = "before"
	resetIn     = "in"
	resetAfter  = "after"
)

func (w *wireSpec) check() error {
	if err := w.checkValues(); err != nil {
		return err
	}
	switch {
	case count(w.Answer != nil, w.Challenge, w.Redirect != "", w.Unavailable != nil) > 1:
		return errors.New("a request has one answer: answer, challenge, redirect or unavailable")
	case count(w.Reset != "", w.Stall != nil, w.Cut != nil) > 1:
		return errors.New("an answer ends in one way: reset, stall or cut")
	case w.Reset == resetBefore && *w != wireSpec{Reset: resetBefore, Delay: w.Delay}:
		return errors.New("reset before leaves no answer: only delay goes with it")
	}
	if w.Answer != nil {
		if w.Answer.Body != "" && withoutBody(w.Answer.Status) {
			return fmt.Errorf("no answer with the status %d has a body", w.Answer.Status)
		}
		if err := checkOwnHeader(w.Answer.Header); err != nil {
			return err
		}
	}
	return checkHeader(map[string]string{"Location": w.Redirect, "Content-Type": w.ContentType})
}

// count returns how many are true.
func count(given ...bool) (n int) {
	for _, g := range given {
		if g {
			n++
		}
	}
	return n
}

// below reports whether a count that is given is less than least.
func below(least int, counts ...*int) bool {
	return slices.ContainsFunc(counts, func(n *int) bool { return n != nil && *n < least })
}

// checkValues checks each value alone.
func (w *wireSpec) checkValues() error {
	switch {
	case w.Delay < 0 || w.Unavailable != nil && *w.Unavailable < 0:
		return errors.New("no time is negative")
	case below(1, w.Trickle):
		return errors.New("trickle is at least 1 byte a second")
	case !slices.Contains([]string{"", resetBefore, resetIn, resetAfter}, w.Reset):
		return fmt.Errorf("reset is before, in or after, not %q", w.Reset)
	case w.Answer != nil && (w.Answer.Status < 200 || w.Answer.Status > 599):
		return fmt.Errorf("the status of an answer is 200 to 599, not %d", w.Answer.Status)
	case below(0, w.Stall, w.Cut):
		return errors.New("stall and cut count bytes")
	case w.ContentLength != nil && *w.ContentLength < 0:
		return errors.New("no Content-Length is negative")
	}
	return nil
}

// answer returns the answer that is sent in place of the server's, or nil.
func (w *wireSpec) answer() *wireAnswer {
	switch {
	case w.Challenge:
		return &wireAnswer{Status: http.StatusUnauthorized, Body: "Unauthorized\n",
			Header: map[string]string{"WWW-Authenticate": `Basic realm="davtest", charset="UTF-8"`}}
	case w.Redirect != "":
		return &wireAnswer{Status: http.StatusFound, Header: map[string]string{"Location": w.Redirect}}
	case w.Unavailable != nil:
		seconds := strconv.Itoa(int(math.Ceil(time.Duration(*w.Unavailable).Seconds())))
		return &wireAnswer{Status: http.StatusServiceUnavailable, Body: "Service Unavailable\n", Header: map[string]string{"Retry-After": seconds}}
	}
	return w.Answer
}

// wire serves requests, and does to their answers what the faults say.
func (s *Server) wire(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, r := s.begin(r)
		defer s.finish(q)
		spec, later := q.wireFaults(s)
		if spec == nil && later == nil {
			next.ServeHTTP(w, r)
			return
		}
		if spec != nil && spec.Wire.Reset == resetBefore {
			wait(r.Context(), s.closing, time.Duration(spec.Wire.Delay))
			reset(w, "reset before the request")
			return
		}
		answer := &buffer{header: http.Header{}}
		if spec != nil && spec.Wire.answer() != nil {
			if r.Header.Get("Expect") == "" { // a client that waits for 100 Continue need not send it (RFC 9110 §10.1.1)
				io.Copy(io.Discard, r.Body)
			}
			a := spec.Wire.answer()
			for name, value := range a.Header {
				answer.header.Set(name, value)
			}
			answer.status = a.Status
			answer.body.WriteString(a.Body)
		} else {
			answer.interim = w
			next.ServeHTTP(answer, r)
		}
		if spec == nil {
			spec = q.firstFired(s, later)
		}
		if spec == nil {
			answer.sendTo(w)
			return
		}
		spec.Wire.send(w, r, answer, s.closing)
	})
}

// wireFaults returns the fault whose effect on the wire the answer has, or those of which the first
// that fires has it: whether a failure is for a resource that the request touches is known only
// when the request was executed. A fault that prevents that comes before them.
func (q *request) wireFaults(s *Server) (now *faultSpec, later []*faultSpec) {
	for _, spec := range q.faults {
		switch {
		case spec.Wire == nil, !spec.inServer() && !spec.fitsPath(q.path):
		case spec.inServer(), later != nil && !spec.Wire.prevents():
			later = append(later, spec)
		case q.fires(s, spec.fault):
			return spec, nil
		}
	}
	return nil, later
}

// firstFired returns the first of the faults that fires in the request, which was executed, or nil.
func (q *request) firstFired(s *Server, later []*faultSpec) *faultSpec {
	for _, spec := range later {
		if spec.inServer() && q.hasFired(spec.fault) || !spec.inServer() && q.fires(s, spec.fault) {
			return spec
		}
	}
	return nil
}

// prevents reports whether the request is not executed.
func (w *wireSpec) prevents() bool { return w.answer() != nil || w.Reset == resetBefore }

// buffer is an answer that is not sent yet.
type buffer struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	interim http.ResponseWriter // gets the interim responses, which cannot wait
}

// Header implements http.ResponseWriter.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *buffer) WriteHeader(status int) {
	switch {
	case b.status != 0:
	case status >= 200:
		b.status = status
	default:
		header := b.interim.Header()
		maps.Copy(header, b.header)
		b.interim.WriteHeader(status)
		clear(header)
	}
}

// sendTo sends the answer as it is.
func (b *buffer) sendTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(max(b.status, http.StatusOK))
	w.Write(b.body.Bytes())
}

// Write implements http.ResponseWriter.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// send sends an answer, with what happens to it on the wire.
func (w *wireSpec) send(to http.ResponseWriter, r *http.Request, a *buffer, closing <-chan struct{}) {
	if !wait(r.Context(), closing, time.Duration(w.Delay)) {
		panic(http.ErrAbortHandler)
	}
	if w.Reset == resetAfter {
		reset(to, "reset after the request")
		return
	}
	body := a.body.Bytes()
	if w.Malformed && !withoutBody(a.status) {
		body = malformed(body)
	}
	header := to.Header()
	for name, values := range a.header {
		header[name] = values
	}
	if w.ContentType != "" {
		header.Set("Content-Type", w.ContentType)
	}
	length := int64(len(body))
	if r.Method == http.MethodHead {
		if n := a.contentLength(); length == 0 || n >= 0 {
			length = n
		}
		body = nil
	}
	if withoutBody(a.status) {
		length = -1
	}
	if w.ContentLength != nil {
		length = *w.ContentLength
	}
	w.sendRaw(to, r, a.status, length, body, closing)
}

// withoutBody reports whether no answer with a status has a body (RFC 9112 §6.3).
func withoutBody(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// contentLength returns the Content-Length that the server gave, or -1.
func (b *buffer) contentLength() int64 {
	n, err := strconv.ParseInt(b.header.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// sendRaw writes an answer to the connection, since net/http would correct it. The connection ends
// with it.
func (w *wireSpec) sendRaw(to http.ResponseWriter, r *http.Request, status int, length int64, body []byte, closing <-chan struct{}) {
	header := to.Header()
	status = max(status, http.StatusOK)
	if length >= 0 {
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	header.Set("Connection", "close")
	g := recordingOf(to)
	header.Set("Date", g.date())
	conn, _, err := http.NewResponseController(to).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	header.Write(&head)
	head.WriteString("\r\n")
	g.answered(status, header)
	if _, err := conn.Write(head.Bytes()); err != nil {
		return
	}
	end := len(body)
	if w.Cut != nil {
		end = min(end, *w.Cut)
	}
	if w.Reset == resetIn {
		end = min(end, len(body)/2)
	}
	if w.Stall != nil {
		end = min(end, *w.Stall)
	}
	g.wrote(body[:end])
	if !w.trickle(conn, r.Context(), closing, body[:end]) {
		g.broke("the client was gone")
		return
	}
	switch {
	case w.Reset == resetIn:
		g.broke("reset in the answer")
		resetConn(conn)
	case w.Stall != nil:
		g.broke("stalled in the answer")
		untilClosed(conn, closing)
	case w.Cut != nil:
		g.broke("cut in the answer")
	}
}

// trickle writes body, at the rate of the fault, and reports whether it was written.
func (w *wireSpec) trickle(conn net.Conn, ctx context.Context, closing <-chan struct{}, body []byte) bool {
	if w.Trickle == nil {
		_, err := conn.Write(body)
		return err == nil
	}
	step := max(*w.Trickle/10, 1)
	for part := range slices.Chunk(body, step) {
		if !wait(ctx, closing, time.Second*time.Duration(len(part))/time.Duration(*w.Trickle)) {
			return false
		}
		if _, err := conn.Write(part); err != nil {
			return false
		}
	}
	return true
}

// untilClosed blocks until the client closes the connection, or the server is closed.
func untilClosed(conn net.Conn, closing <-chan struct{}) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn)
	}()
	select {
	case <-gone:
	case <-closing:
		conn.Close()
		<-gone
	}
}

// wait blocks for d and reports whether the client and the server are still there.
func wait(ctx context.Context, closing <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-closing:
	}
	return false
}

// malformed returns a body without its last end tag, or with a "<" at its end.
func malformed(body []byte) []byte {
	if at := bytes.LastIndex(body, []byte("</")); at >= 0 {
		return body[:at]
	}
	return append(slices.Clone(body), '<')
}

// reset resets the connection of a request. how is for the journal.
func reset(w http.ResponseWriter, how string) {
	recordingOf(w).broke(how)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	resetConn(conn)
}

func resetConn(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
