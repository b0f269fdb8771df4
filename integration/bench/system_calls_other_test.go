//go:build !unix

package bench

import (
	"os"
	"time"
)

// lookAtAll is what a listing cannot do without: the names in a directory, and one look at each,
// which comes with them here.
func lookAtAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Readdir(-1)
	return err
}

// processorTime is not known.
func processorTime() time.Duration { return 0 }
