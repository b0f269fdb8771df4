package clients

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// TestZsync updates an old copy of a file. zsync requests the changed parts, several at once (RFC
// 9110 §15.3.7.2), and repeats its requests without end if it cannot parse the answer.
func TestZsync(t *testing.T) {
	zsyncmake := harness.RealClient(t, "zsyncmake", "apt-get install zsync")
	zsync := harness.RealClient(t, "zsync", "apt-get install zsync")
	eachProgram(t, func(t *testing.T, s *harness.Site, _ string) {
		home := t.TempDir()
		source := rand.New(rand.NewPCG(1, 2))
		content := make([]byte, 2<<20)
		for i := range content {
			content[i] = byte(source.Uint32())
		}
		write := func(name string) {
			if err := os.WriteFile(filepath.Join(home, name), content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		write("old")
		for range 50 {
			at := source.IntN(len(content) - 3000)
			switch fresh := content[at : at+3000]; source.IntN(3) {
			case 0:
				clear(fresh)
			case 1: // shifts the rest of the file
				content = append(content[:at:at], content[at+1000:]...)
			default:
				for i := range fresh {
					fresh[i] ^= 0x55
				}
			}
		}
		write("new")
		maker := &client{TB: t, path: zsyncmake, dir: home}
		maker.run("-e", "-u", s.At("/new file"), "-o", "new.zsync", "new")
		meta, err := os.ReadFile(filepath.Join(home, "new.zsync"))
		if err != nil {
			t.Fatal(err)
		}
		s.Want(201, "PUT", "/new file", string(content))
		s.Want(201, "PUT", "/new.zsync", string(meta))

		c := &client{TB: t, path: limited(t), dir: home}
		said := c.run(limit, zsync, "-i", "old", "-o", "got", s.At("/new.zsync"))
		if got, err := os.ReadFile(filepath.Join(home, "got")); string(got) != string(content) {
			t.Errorf("zsync wrote %d bytes, %v, want %d", len(got), err, len(content))
		}
		if !strings.Contains(said, "checksum matches OK") {
			t.Errorf("output of zsync:\n%s", said)
		}
	}, "--prefix", "/a b")
}
