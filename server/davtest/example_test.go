package davtest_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"syscall"
	"testing"
	"time"

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

// The third of ten members cannot be deleted: the 207 names it alone.
func ExampleServer_Fail() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/c/1", "/c/2", "/c/3", "/c/4")
		srv.Fail("DELETE", "/c/3", 423)

		fmt.Println(srv.Do("DELETE", "/c/"))
		fmt.Println(srv.Names())
		fmt.Println(srv.Do("DELETE", "/c/3")) // plain where it is the target
	})
	// Output:
	// 207 /c/3=423 lock-token-submitted(/c/3)
	// / /c/ /c/3
	// 423 lock-token-submitted(/c/3)
}

// One property fails, in a listing and in a PROPPATCH, where the others then are 424.
func ExampleFault_Property() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/c/1", "/c/2")
		srv.Fail("PROPFIND", "/c/2", 403).Property("getcontentlength")
		srv.Fail("PROPPATCH", "/c/1", 507).Property("{urn:x}color").Condition("quota-not-exceeded")

		fmt.Println(srv.Send("PROPFIND", "/c/2", `<propfind xmlns="DAV:"><prop><getcontentlength/><resourcetype/></prop></propfind>`, "Depth: 0"))
		fmt.Println(srv.Send("PROPPATCH", "/c/1", `<propertyupdate xmlns="DAV:"><set><prop>`+
			`<size xmlns="urn:x">9</size><color xmlns="urn:x">red</color></prop></set></propertyupdate>`))
	})
	// Output:
	// 207 /c/2=200[resourcetype]403[getcontentlength]
	// 207 /c/1=424[size]507[color] quota-not-exceeded
}

// The second upload fails, and is worth another try.
func ExampleFault_Nth() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Fail("PUT", "/**", 503).Nth(2).SetHeader("Retry-After", "1")

		for _, name := range []string{"/1", "/2", "/2"} {
			r := srv.Send("PUT", name, "x")
			fmt.Printf("%s %s, Retry-After: %q\n", name, r, r.Header.Get("Retry-After"))
		}
	})
	// Output:
	// /1 201, Retry-After: ""
	// /2 503, Retry-After: "1"
	// /2 201, Retry-After: ""
}

// Somebody else holds a lock during one request.
func ExampleFault_Locked() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/a")
		srv.On("PUT", "/a").Locked().Times(1)

		fmt.Println(srv.Send("PUT", "/a", "mine"))
		fmt.Println(srv.Send("PUT", "/a", "mine"))
	})
	// Output:
	// 423 lock-token-submitted(/a)
	// 204
}

// A lock expires because the test moves the clock.
func ExampleServer_Advance() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/a")
		token := srv.Lock("/a", "Timeout: Second-60")

		srv.Advance(59 * time.Second)
		fmt.Println(srv.Send("PUT", "/a", "x", "If: (<"+token+">)"))
		srv.Advance(time.Second)
		fmt.Println(srv.Send("PUT", "/a", "x", "If: (<"+token+">)"))
		fmt.Println(srv.Do("GET", "/a").Header.Get("Last-Modified"))
	})
	// Output:
	// 204
	// 412
	// Thu, 01 Jan 2026 00:00:59 GMT
}

// What the client sent, and that it stopped at the 423.
func ExampleServer_Journal() {
	run(func(t testing.TB) {
		srv := davtest.New(t, nil)
		srv.Put("/c/1")
		srv.Fail("PUT", "/c/2", 423)
		token := srv.Lock("/c/1", "Depth: 0")

		srv.Send("PUT", "/c/1", "x", "If: (<"+token+">)") // a client that should
		srv.Send("PUT", "/c/2", "x")                      // send nothing after this

		srv.Journal().Sent("PUT", "/c/1").MustSubmit(t, token)
		srv.Journal().After(423).MustBeEmpty(t)
		fmt.Print(srv.Journal())
	})
	// Output:
	// LOCK /c/1 → 200
	// PUT /c/1 → 204
	// PUT /c/2 → 423 lock-token-submitted(/c/2)
}

// The answer stops in its middle, as none of an honest server does.
func ExampleServer_Wire() {
	run(func(t testing.TB) {
		srv := davtest.New(t, &davtest.Options{Tree: "-- /a --\nhello\n"})
		srv.Wire("GET", "/a").Cut(2)

		res, err := http.Get(srv.URL + "/a")
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		fmt.Printf("%d, %d bytes announced, got %q: %v\n", res.StatusCode, res.ContentLength, body, err)
	})
	// Output:
	// 200, 6 bytes announced, got "he": unexpected EOF
}

// In TestMain, or in a program, there is no testing.T. What would fail a test is printed, and a
// mistake panics or is an error. Here one server is for all tests, each of which begins with Reset:
//
//	func TestMain(m *testing.M) {
//		srv, err := davtest.Start(opts)
//		if err != nil {
//			log.Fatal(err)
//		}
//		code := m.Run()
//		srv.Close()
//		os.Exit(code)
//	}
func ExampleStart() {
	srv, err := davtest.Start(&davtest.Options{Tree: "-- /c/1 --\n-- /c/2 --\n"})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	srv.Fail("DELETE", "/c/1", 403)
	fmt.Println(srv.Do("DELETE", "/c/"))
	srv.Reset()
	fmt.Println(srv.Names())

	_, err = davtest.Start(&davtest.Options{Tree: "-- /c/1 --\n-- c/2 --\n"})
	fmt.Printf("%.40s…\n", err)
	// Output:
	// 207 /c/1=403
	// / /c/ /c/1 /c/2
	// tree: line 2: no section is called "c/2"…
}

// The dialect of another server.
func ExampleServer_SetPersona() {
	srv, err := davtest.Start(&davtest.Options{Persona: "apache"})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	fmt.Println(srv.Do("OPTIONS", "/").Header["Server"])

	if err := srv.SetPersona("iis"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.Do("OPTIONS", "/").Header["Server"])
	fmt.Println(davtest.Personas())
	// Output:
	// [Apache]
	// [Microsoft-IIS/10.0]
	// [apache iis nextcloud nginx sabre xnet]
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
