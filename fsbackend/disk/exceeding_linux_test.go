package disk

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"dav207/server/davpath"
)

func TestExceeding(t *testing.T) {
	b, root, _ := served(t)
	long := strings.Repeat("l", 250)
	makeTree(t, root, "t/flat/"+long, "t/empty/", "t/a/f", "t/a/b/c/f", "t/a/"+long+"/f", "t/.dav207-own/x/"+long, "flat/"+long+"/")
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
		got, ok, err := b.Exceeding(ctx, davpath.Must(tt.name), tt.bytes, tt.segments)
		if err != nil || ok != (tt.want != "") || ok && !strings.HasPrefix(got.String(), tt.want) || strings.Contains(got.String(), ".dav207") {
			t.Errorf("Exceeding(%.20q, %d, %d) = %q, %v, %v, want %q", tt.name, tt.bytes, tt.segments, got, ok, err, tt.want)
		}
	}
	// What a link leads to moves with nobody.
	symlink(t, "../t", filepath.Join(root, "t", "empty", "link"))
	if got, ok, err := b.Exceeding(ctx, davpath.Must("/t/empty"), 100, 1); ok || err != nil {
		t.Errorf("through a link it found %q, %v", got, err)
	}
	// What was not looked at may exceed.
	done, cancel := context.WithCancel(ctx)
	cancel()
	if got, ok, err := b.Exceeding(done, davpath.Must("/t"), 4000, 512); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("without a request it found %q, %v, %v", got, ok, err)
	}
}
