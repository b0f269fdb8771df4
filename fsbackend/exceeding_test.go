package fsbackend_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/server/tree"
)

func TestExceeding(t *testing.T) {
	disk, dir, _ := served(t)
	long := strings.Repeat("l", 250)
	for name, files := range map[string]webdav.FileSystem{"Root": disk, "Memory": fsbackend.New(fsbackend.Memory())} {
		e, ok := files.(tree.Exceeder)
		if !ok {
			t.Logf("%s is no tree.Exceeder here", name)
			continue
		}
		for _, d := range []string{"/t", "/t/flat", "/t/empty", "/t/a", "/t/a/b", "/t/a/b/c", "/t/a/" + long, "/t/.dav207-own", "/t/.dav207-own/x", "/flat", "/flat/" + long} {
			must(t, files.Mkdir(ctx, d, 0o777))
		}
		for _, f := range []string{"/t/flat/" + long, "/t/a/f", "/t/a/b/c/f", "/t/.dav207-own/x/" + long, "/t/a/" + long + "/f"} {
			file, err := files.OpenFile(ctx, f, os.O_WRONLY|os.O_CREATE, 0o666)
			must(t, err)
			must(t, file.Close())
		}
		for _, tt := range []struct {
			name            string
			bytes, segments int
			want            string // a part of it, "" for nothing
		}{
			{"/t", 4000, 512, ""},
			{"/t", 4000, 4, ""},
			{"/t", 4000, 3, "/t/a/b/c/f"},
			{"/t", 4000, 2, "/t/a/"},
			{"/t", 4000, 0, "/t/"},
			{"/t", 4000, -1, "/t/"},
			{"/t", -1, 512, "/t/"},
			{"/t", len("/flat/" + long), 512, ""},
			{"/t", len("/flat/"+long) - 1, 512, "/t/flat/" + long},
			{"/t/a", len(long + "/f/"), 512, ""},
			{"/t/a", len(long+"/f/") - 1, 512, "/t/a/" + long + "/f"},
			{"/t/empty", 0, 0, ""},
			{"/t/empty", -10, -10, ""},
			{"/t/flat", len("/" + long), 1, ""},
			{"/t/flat", len("/"+long) - 1, 1, "/t/flat/" + long},
			{"/t/flat", 4000, 0, "/t/flat/" + long},
			{"/flat", len("/" + long), 1, ""},
			{"/none", 0, 0, ""},
			{"/t/a/f", 0, 0, ""},
			{"/", 4000, 5, ""},
			{"/", 4000, 4, "/t/a/b/c/f"},
		} {
			got, err := e.Exceeding(ctx, tt.name, tt.bytes, tt.segments)
			if err != nil || !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, ".dav207") {
				t.Errorf("%s: Exceeding(%.20q, %d, %d) = %q, %v, want %q", name, tt.name, tt.bytes, tt.segments, got, err, tt.want)
			}
		}
	}
	e, ok := any(disk).(tree.Exceeder)
	if !ok {
		return
	}
	// What a link leads to moves with nobody.
	symlink(t, "../t", filepath.Join(dir, "t", "empty", "link"))
	if got, err := e.Exceeding(ctx, "/t/empty", 100, 1); got != "" || err != nil {
		t.Errorf("through a link it found %q, %v", got, err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if got, err := e.Exceeding(done, "/t", 4000, 512); err == nil {
		t.Errorf("without a request it found %q", got)
	}
}
