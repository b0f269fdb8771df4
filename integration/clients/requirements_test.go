package clients

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// requirement is one of the thirty most important requirements of clients. Its test runs over HTTP
// against a server. If the requirement does not hold completely, partly says what is missing and
// why.
type requirement struct {
	number int
	text   string
	test   func(t *testing.T)
	partly string
}

// requirements has all requirements in the order of their numbers.
var requirements = []requirement{
	{1, "OPTIONS answers 200 on any path with DAV 1, 2, 3, MS-Author-Via and every method", testOptionsEverywhere, ""},
	{2, "LOCK of an unmapped URL makes an empty file, 201, with the token in header and body", testLockUnmapped, ""},
	{3, "never Second-0: times are clamped, told, and told in full and rounded up after a refresh", testTimeouts, ""},
	{4, "a LOCK without a body refreshes, whatever its other headers; a lost token is 412", testRefresh, ""},
	{5, "If is evaluated per affected resource; an unlocked destination needs no token", testIfPerResource, ""},
	{6, "no Overwrite means T, for COPY and MOVE", testOverwriteDefault, ""},
	{7, "PROPPATCH of the Win32 properties is 200, on files and collections, and sets the time", testWin32, ""},
	{8, "chunked PUT streams; fewer bytes than expected fail and keep the old file; never 411", testChunkedPut, ""},
	{9, "PUT is atomic: 201, 204, and nothing of an upload that broke off", testAtomicPut, ""},
	{10, "the answer to PUT has ETag, Last-Modified and Date", testPutAnswer, ""},
	{11, "one strong ETag, which changes with the content, and neither with PROPPATCH, LOCK nor MOVE", testOneTag, "on a disk a PROPPATCH that sets the time of " +
		"modification changes the tag, too. It is made of the time, which is all that tells two contents apart where other programs write, " +
		"and a tag that was kept elsewhere would outlive its content. RFC 9110 §8.8.1 lets a strong tag change more often; the worst that comes " +
		"of it is a 412. Those who set times so (Windows, WinSCP, rclone) send no If-Match, and those who send it (davfs2, gvfs, cadaver) set no " +
		"time, or with PUT, which answers with the tag that lasts"},
	{12, "If-Match and If-None-Match on PUT, LOCK, DELETE, MOVE, HEAD, GET; davfs2 creates by LOCK", testDavfsCreates, ""},
	{13, "PROPFIND: itself first and once, absolute paths, escaped, no file opened, streamed", testListing, ""},
	{14, "each response has one 200 propstat and one 404 propstat, with whole status lines", testPropstats, ""},
	{15, "dates: RFC 1123 and RFC 3339, on collections too, those before 1970 as they are", testDates, ""},
	{16, "XML: D: is DAV: on the root and nothing else anywhere, no default namespace, no location", testXMLForm, ""},
	{17, "Destination: URL or path, any scheme, the hosts that are ours, else 502", testDestinationForms, ""},
	{18, "401 for every method with the DAV headers, and the connection stays usable", testUnauthorized, ""},
	{19, "TLS, Digest or no authentication must be easy", testTLS, "there is no Digest: Basic over TLS, for which the command makes a certificate, or nothing"},
	{20, "MKCOL: 201, 405, 409, 415, and 201 for an empty body with a Content-Type", testMkcol, ""},
	{21, "exactly the success codes that KIO takes, never 207 for full success", testSuccessCodes, ""},
	{22, "GET and HEAD: ranges, If-Range with a date, 304, Content-Length, nothing compressed", testGet, ""},
	{23, "HEAD and GET on a collection are 200", testGetCollection, ""},
	{24, "with and without a slash at the end, without redirects but of GET and HEAD", testSlashes, ""},
	{25, "quota only by name, on collections, never negative or above 2^63", testQuota, "quota can be hidden from macOS (TestNoMacQuota), where 15.4 and later is said " +
		"to need that, but is not unless it is asked for: there was no Mac to see it"},
	{26, "no room is 507 before the body is read; a client's fault is never 500", testNoRoom, ""},
	{27, "DELETE and MOVE end the locks of what goes, UNLOCK only in scope, other users' tokens do not help; what comes to a locked URL is locked", testLocksEnd, ""},
	{28, "junk names are stored, hidden or dropped; looking for them is cheap", testJunk, ""},
	{29, "modification times: X-OC-Mtime, getlastmodified, lastmodified, Win32, dead ones of Cyberduck", testModificationTimes, ""},
	{30, "the verdict before the body, keep-alive, HTTP/2, and no long silence", testExpect, "while a COPY, MOVE or DELETE is under way, 102 goes to those " +
		"clients only that are known to read past it, and to none behind a proxy that may not: the others hear nothing before its end, unless a member " +
		"has failed. No status could be told them that is sure to be true"},
}

// TestRequirements runs the tests of all requirements.
func TestRequirements(t *testing.T) {
	for i, r := range requirements {
		if r.number != i+1 {
			t.Fatalf("requirement %d is at the place of %d", r.number, i+1)
		}
		t.Run(fmt.Sprintf("%02d %s", r.number, r.text), func(t *testing.T) {
			r.test(t)
			if r.partly != "" {
				t.Logf("requirement %d is met in part: %s", r.number, r.partly)
			}
		})
	}
	if len(requirements) != 30 {
		t.Errorf("there are %d requirements, want 30", len(requirements))
	}
}

// TestRequirementsAreNamed checks that the comment of each requirement's test names its number, and
// that no other comment does.
func TestRequirementsAreNamed(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 2 {
		t.Fatalf("files = %v, %v", files, err)
	}
	named := map[int]string{} // the function whose comment begins with "Requirement N"
	number := regexp.MustCompile(`^Requirement (\d+)\b`)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if m := number.FindStringSubmatch(f.Doc.Text()); m != nil {
				var n int
				fmt.Sscan(m[1], &n)
				if named[n] != "" {
					t.Errorf("%s and %s both name requirement %d", named[n], f.Name.Name, n)
				}
				named[n] = f.Name.Name
			}
		}
	}
	for _, r := range requirements {
		_, is, _ := strings.Cut(runtime.FuncForPC(reflect.ValueOf(r.test).Pointer()).Name(), "clients.")
		if named[r.number] != is {
			t.Errorf("the test of requirement %d is %s, but %q names it", r.number, is, named[r.number])
		}
		delete(named, r.number)
	}
	if len(named) != 0 {
		t.Errorf("the table does not have %v", named)
	}
}
