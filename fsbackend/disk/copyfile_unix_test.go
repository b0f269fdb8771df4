//go:build unix

package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"dav207/server/davpath"
)

// A copy that is cancelled on its way leaves what was there, whether the file is copied as a whole
// or between its holes.
func TestCopyCancelled(t *testing.T) {
	b, root, _ := served(t)
	src, err := os.Create(filepath.Join(root, "src"))
	must(t, err)
	defer src.Close()
	for i := range int64(4) {
		must2(src.WriteAt([]byte("data"), i<<30))
	}
	if err := src.Truncate(1 << 40); err != nil { // where holes are copied this takes for ever
		t.Skip("no large files here:", err)
	}
	write(t, filepath.Join(root, "dst"), "old")
	ending := &endingContext{Context: ctx}
	if err := b.CopyFile(ending, davpath.Must("/src"), davpath.Must("/dst")); !errors.Is(err, context.Canceled) || ending.asked > 5 {
		t.Errorf("CopyFile = %v after %d looks at the context, want %v after the third", err, ending.asked, context.Canceled)
	}
	if got := read(t, filepath.Join(root, "dst")); got != "old" {
		t.Errorf("dst = %.10q, want what was there", got)
	}
	noTemps(t, root)
}

// endingContext is done when it is asked for the third time.
type endingContext struct {
	context.Context
	asked int
}

func (c *endingContext) Err() error {
	if c.asked++; c.asked < 3 {
		return nil
	}
	return context.Canceled
}
