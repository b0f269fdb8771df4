package backendtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"dav207/fsbackend"
)

func testOpen(s *suite) {
	s.mkdir("/d")
	s.put("/f", "0123456789")
	f, err := s.b.Open(s.ctx, at("/f"))
	s.ok(err)
	other, err := s.b.Open(s.ctx, at("/f"))
	s.ok(err)
	for _, step := range []struct {
		offset int64
		whence int
		at     int64
		rest   string
	}{
		{0, io.SeekCurrent, 0, "0123456789"},
		{-2, io.SeekEnd, 8, "89"},
		{3, io.SeekStart, 3, "3456789"},
		{-4, io.SeekCurrent, 6, "6789"},
		{5, io.SeekEnd, 15, ""},
		{0, io.SeekEnd, 10, ""},
		{0, io.SeekStart, 0, "0123456789"},
	} {
		if n, err := f.Seek(step.offset, step.whence); n != step.at || err != nil {
			s.Errorf("Seek(%d, %d) = %d, %v, want %d", step.offset, step.whence, n, err, step.at)
		}
		if rest, err := io.ReadAll(f); string(rest) != step.rest || err != nil {
			s.Errorf("read after Seek(%d, %d) = %q, %v, want %q", step.offset, step.whence, rest, err, step.rest)
		}
	}
	if n, err := f.Seek(-1, io.SeekStart); err == nil {
		s.Errorf("Seek before the begin = %d", n)
	}
	if fi, err := f.Stat(); err != nil || fi.Size() != 10 || fi.Name() != "f" {
		s.Errorf("Stat of an open file = %v, %v", fi, err)
	}
	s.ok(f.Close())
	if content, err := io.ReadAll(other); string(content) != "0123456789" || err != nil {
		s.Errorf("the other file that is open reads %q, %v", content, err)
	}
	s.ok(other.Close())

	for name, want := range map[string]error{"/none": fs.ErrNotExist, "/d": syscall.EISDIR, "/": syscall.EISDIR} {
		_, err := s.b.Open(s.ctx, at(name))
		s.want("Open "+name, err, want)
	}
	for name, want := range map[string]error{"/none": fs.ErrNotExist, "/f": syscall.ENOTDIR} {
		_, err := s.b.OpenDir(s.ctx, at(name))
		s.want("OpenDir "+name, err, want)
	}
}

func testOpenHandles(s *suite) {
	s.mkdir("/c")
	s.put("/c/f", "before")
	f, err := s.b.Open(s.ctx, at("/c/f"))
	s.ok(err)
	defer f.Close()
	s.ok(s.b.Rename(s.ctx, at("/c"), at("/d")))
	if content, err := io.ReadAll(f); string(content) != "before" || err != nil {
		s.Errorf("read after the collection was renamed = %q, %v", content, err)
	}
	s.put("/d/f", "after!")
	_, err = f.Seek(0, io.SeekStart)
	s.ok(err)
	if content, err := io.ReadAll(f); string(content) != "before" || err != nil {
		s.Errorf("read after the file was replaced = %q, %v: a download would be torn", content, err)
	}
}

// testInfos checks the infos of files and collections. One piece: a list of the fields of an Info,
// each checked once.
func testInfos(s *suite) {
	s.mkdir("/d")
	s.put("/d/f", "12345")
	fi := s.stat("/d/f")
	if fi.Name() != "f" || fi.Size() != 5 || fi.IsDir() || !fi.Mode().IsRegular() {
		s.Errorf("info of a file = %s %d %v", fi.Name(), fi.Size(), fi.Mode())
	}
	if age := time.Since(fi.ModTime()); age < -time.Minute || age > time.Minute {
		s.Errorf("modified %v ago", age)
	}
	for name, want := range map[string]string{"/d": "d", "/": "/"} {
		if fi := s.stat(name); !fi.IsDir() || !fi.Mode().IsDir() || fi.Name() != want {
			s.Errorf("info of %s = %s %v", name, fi.Name(), fi.Mode())
		}
	}
	mode, mtime, tag := fi.Mode(), fi.ModTime(), s.tag(fi)
	s.put("/d/f", "1234567")
	s.ok(s.b.Rename(s.ctx, at("/d/f"), at("/d/g")))
	if fi.Name() != "f" || fi.Size() != 5 || fi.Mode() != mode || !fi.ModTime().Equal(mtime) || s.tag(fi) != tag {
		s.Errorf("an info changed after the file did: %s %d %v %v", fi.Name(), fi.Size(), fi.Mode(), fi.ModTime())
	}
	if birth := s.stat("/d/g").Birth; birth.IsZero() == s.claims.Birth || !birth.IsZero() && time.Since(birth) > time.Minute {
		s.Errorf("Birth: claimed: %v, found %v", s.claims.Birth, birth)
	}
}

func testIdentity(s *suite) {
	s.mkdir("/d")
	s.put("/f", "x")
	s.put("/g", "x")
	fi := s.stat("/f")
	s.claim("Identity", s.claims.Identity, fi.ID != (fsbackend.ID{}) || fi.Version != 0)
	for _, other := range []string{"/g", "/d", "/"} {
		if fi.SameFile(s.stat(other)) {
			s.Errorf("SameFile = true for /f and %s", other)
		}
	}
	s.ok(s.b.Rename(s.ctx, at("/f"), at("/d/f")))
	if s.claims.Identity && !fi.SameFile(s.stat("/d/f")) {
		s.Error("SameFile = false for a file that was renamed")
	}
}

// testETag checks that a strong validator changes whenever the content does (RFC 9110 §8.8.1), and
// not otherwise (RFC 4918 §8.6).
func testETag(s *suite) {
	seen := map[string]string{}
	moment := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for i := range 100 {
		content := fmt.Sprintf("%04d", i)
		s.put("/f", content)
		if s.claims.SetModTime && i%2 == 0 { // both get one time from the client
			s.ok(s.b.SetModTime(s.ctx, at("/f"), moment))
		}
		last = s.tag(s.stat("/f"))
		if old, ok := seen[last]; ok && s.claims.Identity {
			s.Fatalf("ETag %s for %q and %q", last, old, content)
		}
		seen[last] = content
	}
	s.mkdir("/d")
	s.ok(s.b.Rename(s.ctx, at("/f"), at("/d/g")))
	s.get("/d/g")
	s.ok(s.b.CopyFile(s.ctx, at("/d/g"), at("/copy")))
	if got := s.tag(s.stat("/d/g")); got != last {
		s.Errorf("ETag after it was renamed, read and copied = %s, want %s", got, last)
	}
	if got := s.tag(s.stat("/copy")); got == last && s.claims.Identity {
		s.Errorf("ETag of a copy = %s, that of its source", got)
	}
}

func testDir(s *suite) {
	s.mkdir("/d", "/d/sub", "/empty")
	s.put("/other", "")
	want := []string{"sub"}
	for i := range 300 {
		name := fmt.Sprintf("f%03d", i)
		s.put("/d/"+name, name[:i%4])
		want = append(want, name)
	}
	slices.Sort(want)
	names, infos := s.list("/d")
	if !slices.Equal(names, want) {
		s.Fatalf("listed %d members, want %d", len(names), len(want))
	}
	for i, name := range names {
		fi, byName := &infos[i], s.stat("/d/"+name)
		if fi.Name() != name || fi.Size() != byName.Size() || fi.Mode() != byName.Mode() || s.tag(fi) != s.tag(byName) {
			s.Errorf("listed %s as %s %d %v, Stat: %d %v", name, fi.Name(), fi.Size(), fi.Mode(), byName.Size(), byName.Mode())
		}
	}
	if got, _ := s.list("/empty"); len(got) != 0 {
		s.Errorf("an empty collection lists %q", got)
	}

	s.ok(s.b.Remove(s.ctx, at("/d/f001")))
	d, err := s.b.OpenDir(s.ctx, at("/d"))
	s.ok(err)
	defer d.Close()
	names, err = d.Names()
	s.ok(err)
	if slices.Contains(names, "f001") || len(names) != 300 {
		s.Errorf("after f001 was removed there are %d members", len(names))
	}
	// A name that no member can have is fs.ErrNotExist, above all one that leads out of the tree.
	bad := []string{"f001", "none", "", ".", "..", "../other", "sub/..", "/", "/other", "/d/f002", "f002/", "a\x00b"}
	infos, errs := make([]fsbackend.Info, len(bad)+1), make([]error, len(bad)+1)
	for i := range errs {
		errs[i] = errors.New("of an earlier call")
	}
	d.Lstat(append(bad, "f002"), infos, errs)
	for i, name := range bad {
		s.want(fmt.Sprintf("Lstat %q", name), errs[i], fs.ErrNotExist)
	}
	if last := len(bad); errs[last] != nil || infos[last].Name() != "f002" {
		s.Errorf("Lstat f002 = %s, %v", infos[last].Name(), errs[last])
	}
}

func testSetModTime(s *suite) {
	s.put("/f", "x")
	s.mkdir("/d")
	if !s.can("SetModTime", s.claims.SetModTime, s.b.SetModTime(s.ctx, at("/f"), time.Now())) {
		return
	}
	versions := s.stat("/f").Version != 0 // then entity tags are not made of times
	seen := map[time.Time]bool{}
	for _, t := range []time.Time{
		time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		time.Date(2030, 1, 1, 0, 0, 0, 500e6, time.UTC),
	} {
		for _, name := range []string{"/f", "/d"} {
			s.ok(s.b.SetModTime(s.ctx, at(name), t))
			got := s.stat(name).ModTime().UTC()
			if got.Unix() != t.Unix() || got.Sub(t) >= time.Second {
				s.Errorf("%s: time = %v, want %v", name, got, t)
			}
			if seen[got] && !versions {
				s.Errorf("%s: time = %v once more: see fsbackend.UniqueTime", name, got)
			}
			seen[got] = true
		}
	}
	s.want("SetModTime of nothing", s.b.SetModTime(s.ctx, at("/none"), time.Now()), fs.ErrNotExist)
}

func testUsage(s *suite) {
	s.put("/f", "x")
	for _, name := range []string{"/", "/f"} {
		used, free, err := s.b.Usage(s.ctx, at(name))
		if !s.can("Usage", s.claims.Usage, err) {
			continue
		}
		s.ok(err)
		// Clients read signed numbers (RFC 4331 §1).
		if used+free == 0 || used > 1<<62 || free > 1<<62 {
			s.Errorf("Usage %s = %d, %d", name, used, free)
		}
		_, err = s.b.Create(fsbackend.WithLength(s.ctx, int64(free)+1<<40), at("/large"))
		s.want("Create of more than is free", err, syscall.ENOSPC, syscall.EDQUOT)
		s.wantTree("after it was refused", "/f=x")
	}
}

func testUnchangedSince(s *suite) {
	s.mkdir("/d", "/e")
	s.put("/d/f", "x")
	s.put("/d/g", "x")
	later := func() time.Time { // the time stamps of some systems are coarse
		time.Sleep(100 * time.Millisecond)
		return time.Now()
	}
	since := later()
	for _, name := range []string{"/", "/d", "/d/f"} {
		s.claim("UnchangedSince "+name, s.claims.UnchangedSince, s.b.UnchangedSince(s.ctx, at(name), since))
	}
	s.put("/d/f", "y")
	if s.b.UnchangedSince(s.ctx, at("/d/f"), since) || s.b.UnchangedSince(s.ctx, at("/none"), since) {
		s.Error("UnchangedSince = true after a change, or for a missing file")
	}
	since = later()
	s.ok(s.b.Rename(s.ctx, at("/d"), at("/moved")))
	s.ok(s.b.Rename(s.ctx, at("/e"), at("/d")))
	s.ok(s.b.Rename(s.ctx, at("/moved"), at("/e")))
	if s.b.UnchangedSince(s.ctx, at("/e/g"), since) {
		s.Error("UnchangedSince = true after another collection got the name")
	}
}

func testBatch(s *suite) {
	s.mkdir("/d")
	s.put("/d/old", "old")
	ctx, sync := s.b.Batch(s.ctx)
	s.claim("Sync", s.claims.Sync, sync != nil)
	s.ok(s.b.Mkdir(ctx, at("/d/e")))
	u, err := s.b.Create(ctx, at("/d/e/f"))
	s.ok(err)
	_, err = io.WriteString(u, "new")
	s.ok(err)
	_, err = u.Commit(ctx)
	s.ok(err)
	s.ok(s.b.CopyFile(ctx, at("/d/e/f"), at("/d/copy")))
	s.ok(s.b.Rename(ctx, at("/d/e"), at("/d/moved")))
	s.ok(s.b.Remove(ctx, at("/d/old")))
	if sync != nil {
		s.ok(sync())
		s.ok(s.b.Remove(ctx, at("/d/copy")))
		s.ok(sync())
	} else {
		s.ok(s.b.Remove(ctx, at("/d/copy")))
	}
	s.wantTree("after the batch", "/d/ /d/moved/ /d/moved/f=new")
}
