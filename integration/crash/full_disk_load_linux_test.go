package crash

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dav207/integration/harness"
)

const mayMount = "DAV207_TEST_MAY_MOUNT" // set in the process with its own mount namespace

// TestFullDiskLoad runs clients on a full disk, kills the server in between, and frees space again.
// A request that needs more space is answered with 507 and its condition (RFC 4331 §6), changes
// nothing and leaves no temp file.
func TestFullDiskLoad(t *testing.T) {
	if os.Getenv(mayMount) == "" {
		withMounts(t)
		return
	}
	for _, tt := range []struct {
		what, options string
		piece         int // what fills it
		needed        string
	}{
		{"no space", "size=8m", 64 << 10, "PUT COPY"},
		{"no inodes", "size=32m,nr_inodes=400", 1, "PUT COPY MKCOL MOVE"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("none", dir, "tmpfs", 0, tt.options); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
			seed := uint64(time.Now().UnixNano())
			t.Log("seed ", seed)
			full := &fullDisk{crashHarness: newCrashHarness(t, dir, seed), refused: map[string]int{}}
			full.test(tt.piece)
			for _, method := range strings.Fields(tt.needed) {
				if full.refused[method] == 0 {
					t.Errorf("no %s was refused", method)
				}
			}
			t.Logf("answers 507: %v", full.refused)
		})
	}
}

// withMounts runs the test again in a process with its own mount namespace, whose mounts end with
// the process.
func withMounts(t *testing.T) {
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=5m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	again := exec.CommandContext(t.Context(), os.Args[0], args...)
	again.Env = append(os.Environ(), mayMount+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		again.SysProcAttr.Cloneflags, again.SysProcAttr.Unshareflags = 0, syscall.CLONE_NEWNS // Unshareflags also makes the mounts private
	} else {
		again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := again.CombinedOutput()
	if err != nil && again.ProcessState == nil {
		harness.CannotRun(t, fmt.Sprintf("a process cannot have mounts of its own (%v), so there is no small disk: run the test as root", err))
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// fullDisk is a disk that is full because of the files in /ballast.
type fullDisk struct {
	*crashHarness
	mu      sync.Mutex
	refused map[string]int // number of 507s by method
}

func (x *fullDisk) test(piece int) {
	if err := os.Mkdir(filepath.Join(x.dir, "ballast"), 0o777); err != nil {
		x.Fatal(err)
	}
	x.restart(lockLate)
	x.runClients(load{most: 100_000}, nil) // files before the disk is full
	x.restart(0)
	names := x.fill(piece)
	for range 3 {
		x.runClients(load{most: 100_000, full: x.noRoom}, &killPoint{after: 700 * time.Millisecond})
		if x.Failed() {
			return
		}
		x.restart(lockLate)
		names = append(names, x.fill(piece)...)
	}
	x.runClients(load{most: 100_000, full: x.noRoom}, nil) // no temp files were left, so there is space
	harness.NoTemps(x, x.dir)
	x.restart(0)
	for _, name := range names {
		x.server.Want(204, "DELETE", name, "")
	}
	x.runClients(load{most: 100_000}, nil)
	x.restart(0)
	x.server.Stop()
}

// fill puts files until the smallest does not fit.
func (x *fullDisk) fill(piece int) (names []string) {
	for ; piece > 0; piece /= 4 {
		for {
			name := fmt.Sprintf("/ballast/%d.%d.%d", x.rounds, piece, len(names))
			a := x.server.Do("PUT", name, contentOf(fmt.Sprintf("%s:%d", name[1:], piece)))
			if a.Status == 507 {
				break
			}
			if a.Status != 201 {
				x.Fatalf("PUT %s = %d\n%s", name, a.Status, a.Body)
			}
			names = append(names, name)
		}
	}
	return names
}

// noRoom reports whether an answer is a correct 507. For a 207 it also checks the tree.
func (x *fullDisk) noRoom(l *history, d *op, a harness.Answer) bool {
	const condition = "sufficient-disk-space"
	switch {
	case d.Method == "DELETE" || d.Method == "UNLOCK":
		return false // requests that free space must succeed
	case a.Status == 507 && strings.Contains(a.Body, condition):
	case a.Status == 207 && d.Method == "PROPPATCH":
		for _, r := range harness.DecodeMultistatus(x, a.Body) {
			for _, p := range r.Propstat {
				switch s := harness.StatusCode(p.Status); {
				case s == 507 && len(p.Condition.List) == 1 && p.Condition.List[0].XMLName.Local == condition:
				case s != 424:
					return false
				}
			}
		}
	case a.Status == 207:
		for href, status := range harness.Failures(x, a) {
			if status != "507 "+condition {
				x.Errorf("%s %s has %s for %s", d.Method, d.Name, status, href)
			}
		}
		l.open = d
		all, err := x.readTree(l.dir)
		if err != nil {
			break // the server was killed; compare checks the tree later
		}
		f := all[l.dir]
		if name, problem := l.checkHistory(f, d.Answered, durability{state: true}); problem != "" {
			x.Errorf("%s%s %s\n%s", l.dir, name, problem, l.opsOn(name))
		}
		l.tree, l.open = f.tree, nil
		maps.DeleteFunc(l.locks, func(token string, _ held) bool {
			_, still := f.locks[token]
			return !still
		})
	default:
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.refused[d.Method]++
	return true
}
