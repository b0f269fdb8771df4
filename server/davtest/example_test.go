package davtest_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"syscall"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/server/davtest"
)

// A client must recognise what is left after a DELETE that failed for some of the members.
func ExampleNew() {
	test := func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/c/1", "/c/2", "/c/d/3")
		srv.Files.Fail(faultfs.Remove, "/c/d/3", fs.ErrPermission)
		srv.Lock("/c/2")

		fmt.Println(srv.Do("DELETE", "/c/"))
		fmt.Println(srv.Names())

		srv.Files.Reset()
		srv.Files.Fail(faultfs.Write, "/c/*", syscall.ENOSPC).Nth(2) // not the first file, but the second
		fmt.Println(srv.Send("PUT", "/c/4", "four").StatusCode)
		fmt.Println(srv.Send("PUT", "/c/5", "five"))
	}
	run(test)
	// Output:
	// 207 /c/2=423 lock-token-submitted(/c/2) /c/d/3=403
	// / /c/ /c/2 /c/d/ /c/d/3
	// 201
	// 507 sufficient-disk-space
}

// run calls test and then its cleanups, because an example has no testing.T.
func run(test func(testing.TB)) {
	t := &fakeTB{}
	defer func() {
		for _, f := range t.cleanups {
			f()
		}
	}()
	test(t)
}

type fakeTB struct {
	testing.TB
	cleanups []func()
}

func (t *fakeTB) Helper()                   {}
func (t *fakeTB) Context() context.Context  { return context.Background() }
func (t *fakeTB) Cleanup(f func())          { t.cleanups = append(t.cleanups, f) }
func (t *fakeTB) Errorf(f string, a ...any) { log.Printf(f, a...) }
func (t *fakeTB) Fatalf(f string, a ...any) { log.Fatalf(f, a...) }
