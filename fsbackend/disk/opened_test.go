package disk

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// A file of any size is sent by the system, and what describes it is of one mind, by name, by
// handle and by package os.
func TestOpenedFile(t *testing.T) {
	for what, content := range map[string]string{"small": "file", "large": strings.Repeat("large", 10_000)} {
		t.Run(what, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, noKernel bool) {
				b, root, _ := served(t)
				b.noKernel = noKernel
				write(t, filepath.Join(root, "f"), content)
				f, err := b.Open(ctx, davpath.Must("/f"))
				must(t, err)
				defer f.Close()
				if _, ok := f.(syscall.Conn); !ok {
					t.Errorf("opened %T: sendfile wants a syscall.Conn", f)
				}
				raw := fsbackend.InfoOf("f", must2(os.Stat(filepath.Join(root, "f"))))
				fi, err := b.Stat(ctx, davpath.Must("/f"))
				must(t, err)
				want := tag(t, fi)
				if got := tag(t, raw); got != want {
					t.Errorf("ETag from package os = %s, want %s", got, want)
				}
				for range 2 { // what the opening saw, and another look
					opened, err := f.Stat()
					must(t, err)
					if got := tag(t, opened); got != want || opened.Name() != "f" || opened.Size() != int64(len(content)) {
						t.Errorf("ETag of %s by the handle = %s, want %s", opened.Name(), got, want)
					}
				}
				if at, err := f.Seek(2, io.SeekStart); at != 2 || err != nil {
					t.Errorf("Seek = %d, %v", at, err)
				}
				if got := string(must2(io.ReadAll(f))); got != content[2:] {
					t.Errorf("read %d bytes, want %d", len(got), len(content)-2)
				}
				if !fi.SameFile(raw) {
					t.Error("SameFile does not know the info of package os")
				}
				if other, _ := b.Stat(ctx, davpath.Root); fi.SameFile(other) {
					t.Error("SameFile takes the root for the file")
				}
				if runtime.GOOS != "windows" {
					must(t, os.Chmod(filepath.Join(root, "f"), 0o600))
					must(t, os.Rename(filepath.Join(root, "f"), filepath.Join(root, "g")))
					fi, err := b.Stat(ctx, davpath.Must("/g"))
					must(t, err)
					if got := tag(t, fi); got != want {
						t.Errorf("ETag after chmod and rename = %s, want %s", got, want)
					}
				}
			})
		})
	}
}
