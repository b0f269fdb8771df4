package bench

import (
	"fmt"
	"testing"

	"dav207/integration/harness"
	"dav207/props/boltprops"
	"dav207/server"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// BenchmarkLock locks, replaces and unlocks a file: with no other locks, with 100,000 locks
// elsewhere (1,000 with -short), and with x/net.
func BenchmarkLock(b *testing.B) {
	held := 100_000
	if testing.Short() {
		held = 1000
	}
	dir := manyFiles(b, 1)
	cycle := lockCycle("/files/"+memberName(0), string(make([]byte, 1024)))
	run := func(options *server.Options) func() error {
		conns := dial(b, server.New(harness.DiskTree(b, dir, nil), options), 1)
		return func() error { return parallel(conns, 100, cycle) }
	}
	theirs := dial(b, xnet(dir), 1)
	crowded := durableState(b)
	lockElsewhere(b, crowded, held)
	contest(b, "cycle", 100,
		side{name: "dav207", run: run(durableState(b))},
		side{name: "crowded", run: run(crowded)},
		side{name: "xnet", run: func() error { return parallel(theirs, 100, cycle) }})
}

// lockElsewhere locks n names in collections of a thousand. The names need not be mapped.
func lockElsewhere(b *testing.B, o *server.Options, n int) {
	lockAll(b, o, n, func(i int) string { return fmt.Sprintf("/elsewhere/%04d/%s", i/1000, memberName(i)) })
}

// lockAll creates n locks in the table, without requests, and returns when all of them are in the
// state file.
func lockAll(b *testing.B, o *server.Options, n int, name func(i int) string) {
	b.Helper()
	for i := range n {
		p, err := davpath.Clean(name(i))
		if err == nil {
			_, err = o.Locks.Create(locks.Lock{Root: p, Owner: []byte("<D:href>somebody</D:href>")})
		}
		if err == nil && (i%10_000 == 0 || i == n-1) {
			err = o.Props.(*boltprops.Store).Flush(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
