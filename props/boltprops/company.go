package boltprops

import "time"

// company knows how many are likely to come for one commit. Clients that wait for an answer before they send the next request come
// in turns otherwise: one half while the other half is written. Of four, each commit has two on average; with a moment of patience it has
// all four, and the disk, which is what they wait for, half the work. Whoever is alone waits for nobody.
type company struct {
	size     int           // how many came during the last commit and for it
	patience time.Duration // how long they are waited for; 0 is not worth it
	all      chan struct{} // closed when they are there; nil while nobody waits for them

	failures int // how often in a row they did not come
	skip     int // how many times they are not to be waited for
}

// slowCommit is how long a commit takes at least that it is worth to wait for others: it is that of a disk. The patience is a quarter
// of it; a timer of less than a few ten microseconds is none.
const slowCommit = 200 * time.Microsecond

// expect notes what the last commit was like.
func (c *company) expect(size int, took time.Duration) {
	c.size, c.patience = size, 0
	if took >= slowCommit {
		c.patience = min(took/4, time.Millisecond)
	}
}

// complete reports whether nobody else is likely to come.
func (c *company) complete(waiting int) bool { return waiting >= c.size }

// await returns what is closed when all are there, and how long to wait for it; nil where there is nothing to wait for.
func (c *company) await(waiting int) (all chan struct{}, patience time.Duration) {
	if c.complete(waiting) || c.patience == 0 {
		return nil, 0
	}
	if c.skip > 0 {
		c.skip--
		return nil, 0
	}
	c.all = make(chan struct{})
	return c.all, c.patience
}

// arrived tells how many are there.
func (c *company) arrived(waiting int) {
	if c.all != nil && c.complete(waiting) {
		close(c.all)
		c.all = nil
	}
}

// judge ends the waiting. Those who were waited for in vain are not for a while, the longer the more often it was.
func (c *company) judge(waiting int) {
	c.all = nil
	if c.complete(waiting) {
		c.failures = 0
		return
	}
	c.failures = min(c.failures+1, 8)
	c.skip = 1 << c.failures
}
