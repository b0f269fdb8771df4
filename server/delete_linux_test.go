package server

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/server/davpath"
)

// removals counts what DELETE removes one by one, by the whole path.
type removals struct {
	fsbackend.Bulk
	n int
}

func (r *removals) Remove(ctx context.Context, p davpath.Path) error {
	r.n++
	return r.Bulk.Remove(ctx, p)
}

// DELETE removes deep members as cheaply as others: in bulk, however many levels there are (RFC
// 4918 §9.6.1).
func TestDeleteDeep(t *testing.T) {
	for _, levels := range []int{1, 60, 70, 150, 400} {
		dir := t.TempDir()
		files, err := disk.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		const members = 500
		deep := filepath.Join(dir, "c", strings.Repeat("d/", levels))
		if err := os.MkdirAll(deep, 0o777); err != nil {
			t.Fatal(err)
		}
		for i := range members {
			if err := os.WriteFile(filepath.Join(deep, strconv.Itoa(i)), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		fs := &removals{Bulk: fsbackend.New(files).(fsbackend.Bulk)}
		h := New(fs, nil)
		if res := do(h, "DELETE", "/c/", ""); res.StatusCode != http.StatusNoContent {
			t.Errorf("DELETE with %d levels = %s", levels, res.Status)
		}
		if _, err := os.Stat(filepath.Join(dir, "c")); !os.IsNotExist(err) {
			t.Errorf("with %d levels something is left: %v", levels, err)
		}
		if fs.n > levels {
			t.Errorf("with %d levels and %d files in the last %d were removed one by one", levels, members, fs.n)
		}
	}
}
