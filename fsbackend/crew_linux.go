package fsbackend

import (
	"runtime"
	"sync"
)

// crew shares the work of one operation on a tree: it has room for as many helpers as are worth while beside who does the work
// anyway.
type crew chan struct{}

// crewSize bounds how many work at a time.
const crewSize = 4

func newCrew() crew { return make(crew, min(crewSize, runtime.GOMAXPROCS(0))-1) }

// share has a helper do the work, who is waited for with helpers, or does it itself where all of them are busy. So whoever waits
// for his helpers never waits for one that is not at work.
func (c crew) share(helpers *sync.WaitGroup, work func()) {
	select {
	case c <- struct{}{}:
		helpers.Go(func() {
			defer func() { <-c }()
			work()
		})
	default:
		work()
	}
}
