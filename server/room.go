package server

import (
	"net/http"
	"sync"
	"time"

	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// room refuses a body that is known to be larger than the space there is, before it is sent (RFC 4331 §6).
func (h *Handler) room(q *request, t *tree.Tree, length int64) error {
	s, ok := t.FS.(tree.Spacer)
	if !ok || length <= 0 || h.plenty.holds(q.path.Parent(), length) {
		return nil
	}
	_, available, err := s.Space(q.ctx, q.path.Parent().String())
	if err != nil {
		return nil
	}
	if uint64(length) > available {
		return condition(http.StatusInsufficientStorage, multistatus.SufficientDiskSpace)
	}
	h.plenty.note(q.path.Parent(), available)
	return nil
}

// plenty remembers for a moment in which collections there was so much space that asking again for a small file is not worth
// what it costs. To be wrong takes somebody who fills the volume with a gigabyte in that moment; then the disk says so.
// It is safe for concurrent use.
type plenty struct {
	mu    sync.Mutex
	known map[davpath.Path]spaceAt
}

type spaceAt struct {
	available uint64
	at        time.Time
}

const (
	plentyTime  = 200 * time.Millisecond
	plentySpace = 1 << 30 // besides 16 times the file
	plentyKnown = 256     // collections
)

func (p *plenty) holds(dir davpath.Path, length int64) bool {
	p.mu.Lock()
	s := p.known[dir]
	p.mu.Unlock()
	return s.available > plentySpace && (s.available-plentySpace)/16 > uint64(length) && time.Since(s.at) < plentyTime
}

func (p *plenty) note(dir davpath.Path, available uint64) {
	if available <= plentySpace {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= plentyKnown {
		p.known = make(map[davpath.Path]spaceAt)
	}
	p.known[dir] = spaceAt{available, time.Now()}
}
