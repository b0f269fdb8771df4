package locks

import "time"

// entry is a lock with its places in the table.
type entry struct {
	Lock
	node  *node
	index int // in the schedule
}

func (e *entry) expired(now time.Time) bool { return !now.Before(e.Expires) }

// schedule is a heap (container/heap) of the locks, the next to expire first.
type schedule []*entry

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].Expires.Before(s[j].Expires) }

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *schedule) Push(x any) {
	e := x.(*entry)
	e.index = len(*s)
	*s = append(*s, e)
}

func (s *schedule) Pop() any {
	old := *s
	last := len(old) - 1
	e := old[last]
	old[last] = nil
	*s = old[:last]
	return e
}
