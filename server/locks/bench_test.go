package locks

import (
	"fmt"
	"testing"

	"dav207/server/davpath"
)

// BenchmarkOtherLocks shows that the cost of a call hardly depends on the number of other locks.
// Those are in collections of a hundred each.
func BenchmarkOtherLocks(b *testing.B) {
	for _, held := range []int{10, 100_000} {
		table := New(&Options{MaxLocks: 1 << 20, MaxLocksPerPrincipal: 1 << 20})
		for i := range held {
			create(b, table, fmt.Sprintf("/home/c%d/f%d X", i/100, i%100))
		}
		root := davpath.Must("/home/me/notes/file")
		request := Lock{Root: root, Owner: []byte("<D:href>me</D:href>")}
		run := func(name string, loop func(b *testing.B)) {
			b.Run(fmt.Sprintf("%s/%d", name, held), func(b *testing.B) {
				b.ReportAllocs()
				loop(b)
			})
		}
		run("CreateUnlock", func(b *testing.B) {
			for b.Loop() {
				l, err := table.Create(request)
				if err != nil {
					b.Fatal(err)
				}
				if err := table.Unlock(l.Token); err != nil {
					b.Fatal(err)
				}
			}
		})
		l, err := table.Create(request)
		if err != nil {
			b.Fatal(err)
		}
		run("Refresh", func(b *testing.B) {
			for b.Loop() {
				if _, err := table.Refresh(l.Token, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
		run("Covering", func(b *testing.B) {
			for b.Loop() {
				if len(table.Covering(root)) != 1 {
					b.Fatal("not covered")
				}
			}
		})
		run("AnyBelow", func(b *testing.B) {
			for b.Loop() {
				if !table.AnyBelow(davpath.Root) {
					b.Fatal("none below")
				}
			}
		})
	}
}
