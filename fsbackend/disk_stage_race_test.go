package fsbackend_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A file that goes away while it is about to be replaced leaves nothing to replace: its directory is there all the time, and
// fs.ErrNotExist would say that it is not.
func TestStageWhileTargetComesAndGoes(t *testing.T) {
	d, root, _ := served(t)
	one, other := filepath.Join(root, "one"), filepath.Join(root, "other")
	write(t, one, "x")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.Rename(one, other)
				os.Rename(other, one)
			}
		}
	})
	for range 5000 {
		w, _, err := d.Stage(ctx, "/one")
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stage = %v", err)
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	close(stop)
	wg.Wait()
}
