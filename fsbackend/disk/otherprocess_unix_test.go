//go:build unix && !solaris && !aix

package disk

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dav207/server/davpath"
)

// The directory that TestOtherProcess works on, and what it does there.
const (
	atWork = "DAV207_TEST_AT_WORK"
	doing  = "DAV207_TEST_DOING"
)

// otherProcess starts TestOtherProcess and returns once it is at work. It ends with the test, or
// when it is killed.
func otherProcess(t *testing.T, dir, what string) *exec.Cmd {
	t.Helper()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
	other.Env = append(os.Environ(), atWork+"="+dir, doing+"="+what)
	in, err := other.StdinPipe()
	must(t, err)
	out, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	t.Cleanup(func() {
		in.Close()
		other.Process.Kill()
		other.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "at work") {
			return other
		}
	}
	t.Fatal("the other process did not begin: ", other.Wait())
	return nil
}

// lockNow does what happens lockAfter an upload began.
func lockNow(t *testing.T) {
	t.Helper()
	if !liveTemps.waiting.Load() {
		t.Error("the temp file of an upload will not be locked")
	}
	liveTemps.lock()
}

// TestOtherProcess is the other process of other tests.
func TestOtherProcess(t *testing.T) {
	dir := os.Getenv(atWork)
	if dir == "" {
		t.Skip("only for otherProcess")
	}
	f := open(t, dir, nil)
	if os.Getenv(doing) == "CleanTemp" {
		fmt.Println("at work")
		end, stop := context.WithCancel(ctx)
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
		for end.Err() == nil {
			f.CleanTemp(end, false, nil)
		}
		return
	}
	for _, pieces := range [][]string{{"the client stopped after the first piece"}, {"half ", "of it"}} {
		u, err := f.b.Create(ctx, davpath.Must("/upload"))
		must(t, err)
		for _, piece := range pieces {
			must2(io.WriteString(u, piece))
		}
		lockNow(t)
	}
	temp := davpath.Must("/" + davpath.TempName())
	must(t, f.b.Mkdir(ctx, temp))
	must(t, f.b.Rename(ctx, davpath.Must("/replaced"), temp.Child("replaced")))
	fmt.Println("at work")
	io.Copy(io.Discard, os.Stdin) // until it is killed
}

// A client may pause for long before the end of its upload. Commit gives up the lock on the temp
// file before the file has its name: it must be young by then.
func TestCommitBesideCleanTemp(t *testing.T) {
	b, root, _ := served(t)
	otherProcess(t, root, "CleanTemp")
	for i := range 2000 {
		u, err := b.Create(ctx, davpath.Must("/upload"))
		must(t, err)
		must2(io.WriteString(u, fmt.Sprint(i)))
		lockNow(t)
		for _, name := range namesIn(t, root) {
			if davpath.IsTemp(name) {
				makeOld(t, filepath.Join(root, name))
			}
		}
		if _, err := u.Commit(ctx); err != nil {
			t.Fatalf("upload %d: %v", i, err)
		}
	}
	if got := read(t, filepath.Join(root, "upload")); got != "1999" {
		t.Errorf("the file holds %q", got)
	}
}

// Two servers may serve one directory, one of which starts while the other is at work: what that
// has at temp names, however old, is not left over until it is dead. An upload of which one piece
// has come is such a thing: the client may pause for longer than minTempAge.
func TestCleanTempBesideAnotherProcess(t *testing.T) {
	b, root, _ := served(t)
	f := &Fs{b}
	write(t, filepath.Join(root, "replaced"), "content")
	other := otherProcess(t, root, "uploads")
	makeOld(t, root)
	temps := func() (n int) {
		for _, name := range namesIn(t, root) {
			if davpath.IsTemp(name) {
				n++
			}
		}
		return n
	}
	before := temps()
	must(t, f.CleanTemp(ctx, false, func(name string) { t.Errorf("took %s, on which another process works", name) }))
	if got := temps(); got != before || before != 3 {
		t.Errorf("there are %d temp names, before there were %d, want 3", got, before)
	}
	must(t, other.Process.Kill())
	other.Wait()
	n := 0
	must(t, f.CleanTemp(ctx, false, func(string) { n++ }))
	if got := temps(); got != 0 || n != 3 {
		t.Errorf("there are %d temp names after the other process died, %d were dealt with", got, n)
	}
	if got := read(t, filepath.Join(root, "replaced")); got != "content" {
		t.Errorf("what was to be replaced holds %q", got)
	}
}

// A temp directory is locked from the beginning until it is removed.
func TestTempDirectoryIsLocked(t *testing.T) {
	b, root, _ := served(t)
	temp := davpath.TempName()
	p := davpath.Must("/" + temp)
	must(t, b.Mkdir(ctx, p))
	dir, err := os.Open(filepath.Join(root, temp))
	must(t, err)
	defer dir.Close()
	if flock(dir) {
		t.Error("a temp directory that is in use is not locked")
	}
	must(t, b.Remove(ctx, p))
	if !flock(dir) {
		t.Error("a temp directory that was removed is still locked")
	}
}
