package boltprops

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/props"
	"dav207/server/davpath"
)

// The tests start this binary as another process on the same state.
const childEnv = "DAV207_BOLTPROPS_CHILD"

func TestMain(m *testing.M) {
	mode, file, _ := strings.Cut(os.Getenv(childEnv), " ")
	switch mode {
	case "":
		flag.Parse()
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" && flag.Lookup("test.bench").Value.String() == "" {
			// Memory, which a sync costs nothing: no test here takes the power away, and hundreds
			// of commits would wait for the disk.
			os.Setenv("TMPDIR", "/dev/shm")
		}
		os.Exit(m.Run())
	case "hold":
		if _, err := Open(file, nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
	case "create":
		fmt.Println("creating")
		for i := 0; ; i++ {
			s, err := Open(fmt.Sprint(file, i), nil)
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			s.Close()
		}
	case "patch":
		patchForEver(file)
	}
}

// patchForEver prints each acknowledged change: eight goroutines set a property each to increasing
// numbers, and another moves a tree back and forth.
func patchForEver(file string) {
	s, err := Open(file, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx := context.Background()
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				if err := s.Patch(ctx, at(fmt.Sprint("/", g)), set("x", fmt.Sprint(i))); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Printf("done %d %d\n", g, i)
			}
		}()
	}
	s.Patch(ctx, at("/a/b"), set("x", "moved"))
	for {
		s.Update(ctx, props.Move{Src: davpath.Must("/a"), Dst: davpath.Must("/c")})
		s.Update(ctx, props.Move{Src: davpath.Must("/c"), Dst: davpath.Must("/a")})
	}
}

// child starts this binary in a mode, and returns its output after the first line, which must begin
// with want.
func child(t *testing.T, mode, file, want string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+mode+" "+file)
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); !strings.HasPrefix(line, want) {
		t.Fatalf("the other process says %q, %v, want %q", line, err, want)
	}
	return cmd, r
}

func TestInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	cmd, _ := child(t, "hold", file, "held")
	for _, o := range []*Options{nil, {ReadOnly: true}, {Lazy: true}} {
		begin := time.Now()
		_, err := Open(file, o)
		var inUse *InUseError
		if !errors.As(err, &inUse) || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want that the other process has it", err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v to find out", took)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	start(t, file, nil) // what the killed one has left does no harm
}

func TestInUseInThisProcess(t *testing.T) {
	s := fresh(t)
	var inUse *InUseError
	if _, err := Open(s.file, nil); !errors.As(err, &inUse) {
		t.Errorf("got %v, want a InUseError", err)
	}
	patch(t, s, at("/a"), set("x", "1"))
}

// Processes that open the file read-only exclude a writer, but not each other.
func TestReaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, nil)
	s.Close()
	one := start(t, file, &Options{ReadOnly: true})
	start(t, file, &Options{ReadOnly: true})
	var inUse *InUseError
	if _, err := Open(file, nil); !errors.As(err, &inUse) {
		t.Errorf("got %v, want a InUseError", err)
	}
	one.Close()
}

// A process that is killed loses no acknowledged change, and leaves no partial one.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	total := 0
	for round := range 5 {
		acknowledged := map[string]string{} // the last number, by name
		cmd, out := child(t, "patch", file, "done")
		time.AfterFunc(time.Duration(50+37*round)*time.Millisecond, func() { cmd.Process.Kill() })
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			var g, i string
			if n, _ := fmt.Sscanf(line, "done %s %s\n", &g, &i); n != 2 {
				t.Fatalf("the other process says %q", line)
			}
			acknowledged["/"+g] = i
			total++
		}
		cmd.Wait()
		s, err := Open(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range acknowledged {
			var got, least int
			fmt.Sscan(value(t, s, at(name)), &got)
			fmt.Sscan(want, &least)
			if got < least { // a later one may have been written, too
				t.Errorf("%s is %d, but %d was acknowledged", name, got, least)
			}
		}
		if a, c := value(t, s, at("/a/b")), value(t, s, at("/c/b")); a+c != "moved" {
			t.Errorf("what was moved is %q and %q, want it in one of the places", a, c)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if total == 0 {
		t.Error("nothing was acknowledged")
	}
}

// A process that is killed while it creates the file does not block the next one.
func TestKilledWhileCreating(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		cmd, _ := child(t, "create", filepath.Join(dir, fmt.Sprint("sub", round), "state"), "creating")
		time.Sleep(time.Duration(3+11*round) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		found, err := filepath.Glob(filepath.Join(dir, fmt.Sprint("sub", round), "state*[0-9]"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range append(found, filepath.Join(dir, fmt.Sprint("sub", round), "new")) {
			if !strings.Contains(file, ".new-") {
				patch(t, start(t, file, nil), at("/a"), set("x", "1"))
			}
		}
	}
}

// Processes that create the same file concurrently use the same one.
func TestCreateTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	var wg sync.WaitGroup
	opened := make(chan *Store, 16)
	for range cap(opened) {
		wg.Go(func() {
			s, err := Open(file, nil)
			var inUse *InUseError
			switch {
			case err == nil:
				opened <- s
			case !errors.As(err, &inUse):
				t.Errorf("got %v, want a InUseError", err)
			}
		})
	}
	wg.Wait()
	close(opened)
	if len(opened) != 1 {
		t.Errorf("%d have the file, want one", len(opened))
	}
	for s := range opened {
		patch(t, s, at("/a"), set("x", "1"))
		s.Close()
	}
	left, err := fs.Glob(os.DirFS(filepath.Dir(file)), "*")
	if err != nil || len(left) != 1 {
		t.Errorf("left are %q, %v, want the file alone", left, err)
	}
	if got := value(t, start(t, file, nil), at("/a")); got != "1" {
		t.Errorf("/a is %q", got)
	}
}
