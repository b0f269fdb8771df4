package boltprops

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/multistatus"
)

// Open refuses a file that is no state, says what to do, and does not change it.
func TestDamaged(t *testing.T) {
	whole, err := os.ReadFile(filled(t, 3000))
	if err != nil {
		t.Fatal(err)
	}
	page := func(i int, change func([]byte)) []byte {
		b := bytes.Clone(whole)
		change(b[i<<12:])
		return b
	}
	both := func(change func([]byte)) []byte {
		b := page(0, change)
		change(b[1<<12:])
		return b
	}
	freelist, _ := metaOf(whole)
	top := pageOf(t, whole, 2, branchPage)
	for name, content := range map[string][]byte{
		"text":              []byte("<?xml version=\"1.0\"?>\n" + strings.Repeat("no state\n", 10000)),
		"short text":        []byte("no state\n"),
		"nothing":           {},
		"one zero":          {0},
		"zeros":             make([]byte, 1<<16),
		"half a creation":   whole[:8<<10],
		"cut short":         whole[:len(whole)/3],
		"cut by a page":     whole[:12<<12],
		"both metas":        both(func(b []byte) { b[20] ^= 1 }),
		"a page of zeros":   page(pageOf(t, whole, 100, leafPage), func(b []byte) { clear(b[:1<<12]) }),
		"a circle":          page(top, func(b []byte) { binary.NativeEndian.PutUint64(b[16+8:], uint64(top)) }),
		"a page far out":    page(top, func(b []byte) { b[16+8+5] ^= 1 }),
		"a page of two":     page(top, func(b []byte) { copy(b[32+8:32+16], b[16+8:16+16]) }),
		"a branch key out":  page(top, func(b []byte) { b[16+3] ^= 0x40 }),
		"a bucket in it":    page(pageOf(t, whole, 100, leafPage), func(b []byte) { b[16] ^= 1 }),
		"a key far out":     page(pageOf(t, whole, 100, leafPage), func(b []byte) { b[16+4+3] ^= 0x40 }),
		"a long value":      page(pageOf(t, whole, 100, leafPage), func(b []byte) { b[16+12+3] ^= 0x40 }),
		"a long page":       page(pageOf(t, whole, 100, leafPage), func(b []byte) { b[12+3] ^= 0x40 }),
		"the list of pages": page(freelist, func(b []byte) { b[10] = 200 }),
	} {
		for _, o := range []*Options{nil, {ReadOnly: true}} {
			file := filename(t)
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(file, o)
			var damaged *DamagedError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("%s: got %v, want a DamagedError", name, err)
			}
			if err == nil {
				s.Close()
			}
			if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, content) {
				t.Errorf("%s: the file was changed (%v)", name, err)
			}
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir, nil); err == nil {
		t.Error("a directory: got no error")
	}
}

// If one of the two meta pages is damaged, the state is that of the other one, and a warning is
// logged.
func TestHalfDamaged(t *testing.T) {
	whole, err := os.ReadFile(filled(t, 10))
	if err != nil {
		t.Fatal(err)
	}
	for page, want := range []bool{true, true, false} {
		file, b := filename(t), bytes.Clone(whole)
		if want {
			b[page<<12+20] ^= 1
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		start(t, file, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if got := strings.Contains(log.String(), "may be missing"); got != want {
			t.Errorf("page %d: the log is %q, want a warning: %t", page, log.String(), want)
		}
	}
}

const branchPage, leafPage = 1, 2

// metaOf reads the number of the list of free pages and the number of pages from the meta page that
// counts.
func metaOf(whole []byte) (freelist, pages int) {
	last := uint64(0)
	for page := range 2 {
		b := whole[page<<12+16:]
		if id := binary.NativeEndian.Uint64(b[48:]); id >= last {
			last = id
			freelist, pages = int(binary.NativeEndian.Uint64(b[32:])), int(binary.NativeEndian.Uint64(b[40:]))
		}
	}
	return freelist, pages
}

// pageOf returns the number of the first page with these flags from i on, as it stands in the file.
func pageOf(t *testing.T, whole []byte, i int, flags uint16) int {
	t.Helper()
	for ; i<<12 < len(whole); i++ {
		if b := whole[i<<12:]; binary.NativeEndian.Uint64(b) == uint64(i) && binary.NativeEndian.Uint16(b[8:]) == flags {
			return i
		}
	}
	t.Fatalf("no page with flags %d", flags)
	return 0
}

// A flipped bit is found by Open, fails the calls that need its entry, or has no effect. It never
// ends the process, and no call returns a wrong value.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(filled(t, 600))
	if err != nil {
		t.Fatal(err)
	}
	good := strings.Repeat("value ", 20)
	refused, failed, harmless := 0, 0, 0
	freelist, pages := metaOf(whole)
	step := pages << 12 / 250
	var places []int
	for at := 0; at < pages<<12; at += step | 1 {
		places = append(places, at)
	}
	// What the structure of the file hangs on stands at the begin of pages.
	for _, id := range []int{0, 1, freelist, pageOf(t, whole, 2, branchPage), pageOf(t, whole, 2, leafPage), pageOf(t, whole, pages/2, leafPage)} {
		for i := 0; i < 100; i += 3 {
			places = append(places, id<<12+i)
		}
	}
	for i, at := range places {
		if testing.Short() && i%8 != 0 {
			continue
		}
		b := bytes.Clone(whole)
		b[at] ^= 1 << (at % 8)
		file := filename(t)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(file, nil)
		if err != nil {
			refused++
			continue
		}
		bad := false
		judge := func(err error) {
			var damaged *DamagedError
			if err != nil && !errors.As(err, &damaged) {
				t.Errorf("byte %d: got %v, want a DamagedError", at, err)
			}
			bad = bad || err != nil
		}
		for e, err := range s.All(t.Context(), davpath.Root) {
			judge(err)
			if err == nil && string(e.Properties[0].InnerXML) != good {
				t.Errorf("byte %d: %s has another value than was written", at, e.Path)
			}
		}
		for _, c := range []string{"/c0", "/c1", "/c2"} {
			members := s.Members(t.Context(), davpath.Must(c))
			for i := range 600 {
				ps, err := members.Get(fmt.Sprintf("%05d", i))
				judge(err)
				if len(ps) > 0 && string(ps[0].InnerXML) != good {
					t.Errorf("byte %d: member %d of %s has another value than was written", at, i, c)
				}
			}
		}
		judge(s.Update(t.Context(), props.Move{Src: davpath.Must("/c1"), Dst: davpath.Must("/d")}))
		judge(s.Update(t.Context(), props.Delete{Path: davpath.Root}))
		if _, err := s.Locks(t.Context()); err != nil {
			judge(err)
		}
		s.Close()
		if bad {
			failed++
		} else {
			harmless++
		}
	}
	t.Logf("%d refused at the start, %d failed requests, %d harmless", refused, failed, harmless)
	if refused == 0 || failed == 0 || harmless == 0 {
		t.Error("want some of each")
	}
}

// If the file is removed or replaced while it is open, changes fail with an error that says so.
func TestStateGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file is removed there while it is open")
	}
	file := filepath.Join(t.TempDir(), "dir", "state")
	s := start(t, file, nil)
	patch(t, s, at("/a"), set("x", "1"))
	dir, away := filepath.Dir(file), filepath.Dir(file)+".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	fails := func(when string) {
		t.Helper()
		for range 2 {
			if err := s.Patch(t.Context(), at("/a"), set("x", "2")); !errors.Is(err, errFileMissing) || multistatus.StatusOf(err) != 500 {
				t.Errorf("%s: got %v, want %v", when, err, errFileMissing)
			}
		}
		if got := value(t, s, at("/a")); got != "1" {
			t.Errorf("%s /a is %q", when, got)
		}
	}
	fails("gone")
	other := start(t, file, nil)
	patch(t, other, at("/a"), set("x", "other"))
	fails("replaced")
	other.Close()
	if err := errors.Join(os.RemoveAll(dir), os.Rename(away, dir)); err != nil {
		t.Fatal(err)
	}
	patch(t, s, at("/a"), set("x", "3"))
	if got := value(t, s, at("/a")); got != "3" {
		t.Errorf("back in its place /a is %q", got)
	}
}

// Damage while the file is open fails the calls that need it. The process goes on.
func TestDamagedWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is mapped cannot be cut short there")
	}
	for _, size := range []int64{6 << 12, 0} {
		file := filled(t, 3000)
		s, err := Open(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Check(t.Context()); !errors.As(err, &damaged) {
				t.Errorf("cut to %d bytes: Check: got %v, want a DamagedError", size, err)
			}
			var last error
			for _, err := range s.All(t.Context(), davpath.Root) {
				last = err
			}
			if !errors.As(last, &damaged) {
				t.Errorf("cut to %d bytes: reading: got %v, want a DamagedError", size, last)
			}
			if err := s.Patch(t.Context(), at("/c1/00001"), set("x", "1")); !errors.As(err, &damaged) {
				t.Errorf("cut to %d bytes: writing: got %v, want a DamagedError", size, err)
			}
		}
		s.Close()
	}
}
