package batch

import (
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"dav207/server/multistatus"
	"dav207/server/origin"
)

// run is a batch in progress.
type run struct {
	*envelope
	h       *Handler
	r       *http.Request
	origin  origin.Origin
	header  http.Header // of an item that has none of its own
	result  *result
	buf     []byte // for result
	ok      []bool // which items have succeeded
	held    held   // results of items that ran before others that precede them in the envelope
	stopped bool   // no further item runs
}

// run runs the items of e, one after another, and sends their results in the order of the envelope.
// It panics with http.ErrAbortHandler if the answer cannot be completed.
func (h *Handler) run(w http.ResponseWriter, r *http.Request, e *envelope) {
	preference, stop := continueOnError(r.Header)
	if preference != "" {
		w.Header().Set("Preference-Applied", preference) // RFC 7240 §3
	}
	b := &run{envelope: e, h: h, r: r, origin: h.origins.Of(r), header: h.inherited(r), result: h.newResult(r.Context()),
		ok: make([]bool, len(e.items)), held: held{results: make([]heldResult, len(e.items))}}
	defer b.held.Close()
	defer b.result.release()
	out := newAnswer(w, e.plain, h.Silence)
	defer out.stop()
	next := 0 // the item whose result is sent next
	var members multistatus.Members
	for _, i := range e.order {
		b.runItem(i)
		if i != next {
			b.hold(i)
			b.end()
		}
		members.Add(b.result.status, !b.ok[i])
		multistatus.CountMembers(w, members)
		err := r.Context().Err() // the client is gone, or the server shuts down
		if err == nil {
			b.stopped = b.stopped || stop && !b.ok[i]
			if i == next {
				next, err = b.sendFrom(out, i)
			} else if !b.ok[i] {
				out.failed()
			}
		}
		if err != nil {
			b.abort(err)
		}
	}
	if err := out.end(); err != nil {
		b.abort(err)
	}
}

func (b *run) abort(err error) {
	b.h.Logger.DebugContext(b.r.Context(), "batch broken off", slog.Any("err", err))
	panic(http.ErrAbortHandler)
}

// sendFrom sends the result of item i, and those after it that were held. It returns the first item
// that has no result yet.
func (b *run) sendFrom(out *answer, i int) (next int, err error) {
	b.buf = b.render(b.buf[:0], i)
	// What is large waits in a temp file for the client to read it, if there can be one.
	if !b.result.held || b.held.add(i, b.buf, math.MaxInt64) != nil {
		err = out.write(b.buf, b.ok[i])
	}
	b.end()
	if !b.held.has(i) {
		i++
	}
	for ; err == nil && i < len(b.items) && b.held.has(i); i++ {
		err = out.copy(b.held.reader(i), b.ok[i])
		b.held.sent(i)
	}
	return i, err
}

// end ends an item whose result is on its way. It keeps no large buffer.
func (b *run) end() {
	if b.result.held {
		b.buf, b.result.body = nil, nil
	}
	b.result.release()
}

// runItem runs item i, unless what it depends on has failed. Its answer is in b.result.
func (b *run) runItem(i int) {
	it := &b.items[i]
	if b.stopped {
		b.result.fail(http.StatusFailedDependency, "Another item has failed, and the batch was to stop then.")
		return
	}
	if it.condition != nil && !it.condition(b.ok) {
		b.result.fail(http.StatusFailedDependency, "The if of the item is not true.")
		return
	}
	for _, n := range it.needs {
		if it.condition == nil && !b.ok[n] {
			b.result.fail(http.StatusFailedDependency, "The item with the id "+strconv.Quote(b.items[n].id)+" has failed.")
			return
		}
	}
	op, err := b.operation(i)
	var r *http.Request
	if err == nil {
		r, err = b.newRequest(op)
	}
	if err != nil {
		e := multistatus.AsError(err)
		b.result.fail(e.Status, e.Description)
		b.log(i, "", "")
		return
	}
	b.h.perform(b.result, r)
	b.ok[i] = b.result.succeeded()
	b.log(i, r.Method, r.URL.EscapedPath())
}

// operation returns item i as it was sent.
func (b *run) operation(i int) (*operation, error) {
	if op := b.items[i].op; op != nil {
		return op, nil
	}
	if b.items[i].size > spoolMemory {
		if err := b.result.acquire(); err != nil {
			return nil, err
		}
	}
	raw, err := b.body.bytes(b.items[i].section)
	if err != nil {
		return nil, err
	}
	return b.h.parseItem(raw, i, b.plain)
}

// log logs an item that has run, or that was refused and so has no path.
func (b *run) log(i int, method, path string) {
	b.h.Logger.LogAttrs(b.r.Context(), slog.LevelInfo, "batch item", slog.Int("item", i), slog.String("method", method),
		slog.String("path", path), slog.Int("status", b.result.status))
}

// continueOnError returns the preference for what follows a failure (OData Protocol 4.01 §8.2.8.3),
// as Preference-Applied has it, and whether to stop. The first preference of a name counts (RFC
// 7240 §2). It ignores other values.
func continueOnError(head http.Header) (applied string, stop bool) {
	for _, p := range strings.Split(strings.Join(head.Values("Prefer"), ","), ",") {
		p, _, _ = strings.Cut(p, ";")
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "continue-on-error" && name != "odata.continue-on-error" {
			continue
		}
		switch strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)) {
		case "", "true":
			return name, false
		case "false":
			return name + "=false", true
		}
		return "", false
	}
	return "", false
}
