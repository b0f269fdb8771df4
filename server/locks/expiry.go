package locks

import "time"

// entry is a lock with its position in the tree and in the heap.
type entry struct {
	Lock
	node  *node
	index int // in Table.expiry
}

func (e *entry) expired(now time.Time) bool { return !now.Before(e.Expires) }

// expiryHeap implements heap.Interface. The next lock to expire is the first.
type expiryHeap []*entry

func (s expiryHeap) Len() int           { return len(s) }
func (s expiryHeap) Less(i, j int) bool { return s[i].Expires.Before(s[j].Expires) }

func (s expiryHeap) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *expiryHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*s)
	*s = append(*s, e)
}

func (s *expiryHeap) Pop() any {
	old := *s
	last := len(old) - 1
	e := old[last]
	old[last] = nil
	*s = old[:last]
	return e
}
