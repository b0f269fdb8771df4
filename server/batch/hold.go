package batch

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"

	"dav207/server/multistatus"
)

// held has the results that wait for those of items that precede them in the envelope.
type held struct {
	spool
	results []heldResult // of each item
	waiting int          // how many of them are in the spool
}

// heldResult is a result in the spool, or in memory. The zero value is none.
type heldResult struct {
	section
	memory []byte
}

// errHeld is the error of a result beyond MaxHeld.
var errHeld = &multistatus.Error{Status: http.StatusInsufficientStorage}

// hold keeps the result of item i, which ran before its turn. One that there is no room for is
// replaced by a problem, which is small, and the item has failed: to break off would leave the
// client without the results of all others, too.
func (b *run) hold(i int) {
	b.buf = b.render(b.buf[:0], i)
	err := b.held.add(i, b.buf, b.h.MaxHeld)
	if err == nil {
		return
	}
	b.h.Logger.WarnContext(b.r.Context(), "no room for the result of a batch item", slog.Int("item", i), slog.Any("err", err))
	status := multistatus.StatusOf(err)
	b.result.fail(status, "There is no room for the answer to this request until its turn comes: put it behind those that it waits for, or send it alone. It may have changed something.")
	b.ok[i] = false
	b.held.results[i].memory = b.render(nil, i)
}

// add keeps the result of item i. If there is no room it returns an error and keeps nothing of it.
func (h *held) add(i int, result []byte, limit int64) error {
	if h.size+int64(len(result)) > limit {
		return errHeld
	}
	at := section{h.size, int64(len(result))}
	if _, err := h.Write(result); err != nil {
		return err
	}
	h.results[i].section = at
	h.waiting++
	return nil
}

// sent forgets the result of item i. If none is left the spool is empty.
func (h *held) sent(i int) {
	if h.results[i].size > 0 {
		if h.waiting--; h.waiting == 0 {
			h.reset()
		}
	}
	h.results[i] = heldResult{}
}

// has reports whether there is a result of item i. None is empty.
func (h *held) has(i int) bool { return h.results[i].size > 0 || h.results[i].memory != nil }

// reader returns a reader of the result of item i.
func (h *held) reader(i int) io.Reader {
	if h.results[i].memory != nil {
		return bytes.NewReader(h.results[i].memory)
	}
	return io.NewSectionReader(h, h.results[i].offset, h.results[i].size)
}
