package boltprops

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestCompany(t *testing.T) {
	const slow, fast = 4 * slowCommit, slowCommit / 4
	var c company
	patience := func(waiting int) time.Duration {
		all, patience := c.await(waiting)
		if (all != nil) != (patience > 0) {
			t.Fatal("something to wait for, and no patience, or the other way round")
		}
		return patience
	}
	for _, tt := range []struct {
		rule    string
		size    int
		took    time.Duration
		waiting int
		want    time.Duration
	}{
		{"nothing is known", 0, 0, 1, 0},
		{"whoever is alone waits for nobody", 1, slow, 1, 0},
		{"one of four", 4, slow, 1, slow / 4},
		{"all are there", 4, slow, 4, 0},
		{"more are there", 4, slow, 5, 0},
		{"a fast commit is sooner made than waited for", 4, fast, 1, 0},
		{"a disk that hangs is no reason to hang longer", 4, time.Minute, 1, time.Millisecond},
	} {
		c.expect(tt.size, tt.took)
		if got := patience(tt.waiting); got != tt.want {
			t.Errorf("%s: waits %v, want %v", tt.rule, got, tt.want)
		}
	}

	c = company{}
	c.expect(3, slow)
	all, _ := c.await(1)
	c.arrived(2)
	select {
	case <-all:
		t.Error("two of three are taken for all")
	default:
	}
	c.arrived(3)
	<-all
	c.judge(3)

	waited := 0
	for range 1000 {
		if c.expect(3, slow); patience(1) > 0 {
			waited++
			c.judge(1)
		}
	}
	if waited < 3 || waited > 20 {
		t.Errorf("waited %d times of 1000 in vain, want ever more seldom", waited)
	}
	for range 1000 {
		if c.expect(3, slow); patience(1) > 0 {
			c.judge(3)
		}
	}
	if c.failures != 0 || c.skip != 0 {
		t.Errorf("after they came again: %d failures, %d to skip", c.failures, c.skip)
	}
}

// On a slow disk several clients share each commit, also when each of them waits for its answer before it comes again.
func TestClosedLoop(t *testing.T) {
	s := fresh(t)
	const clients, rounds = 4, 50
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for round := range rounds {
				err := s.wait(context.Background(), &request{apply: func(t *txn) error {
					time.Sleep(2 * slowCommit)
					return t.patch(at(fmt.Sprint("/", i)), set("x", fmt.Sprint(round)))
				}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := float64(s.commits.Load()) / (clients * rounds); got > 0.4 {
		t.Errorf("%.2f commits for each change, want one for all four: in turns it would be 0.5", got)
	}
}
