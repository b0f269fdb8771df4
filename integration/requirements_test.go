package integration

import (
	"fmt"
	"testing"
)

// requirement is one of the thirty things that clients need most, by its number. The test shows that it holds, over HTTP
// against a running server, as far as it does: partly says what is missing, and why.
type requirement struct {
	number int
	text   string
	test   func(t *testing.T)
	partly string
}

// requirements is complete: a number is missing here only if the requirement is gone.
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
	{11, "one strong ETag, which changes with the content only", testOneTag, "on a disk a new modification time (PROPPATCH of getlastmodified or of " +
		"Win32LastModifiedTime) changes the tag, too, for it is made of the time"},
	{12, "If-Match and If-None-Match on PUT, LOCK, DELETE, MOVE, HEAD, GET; davfs2 creates by LOCK", testDavfsCreates, ""},
	{13, "PROPFIND: itself first and once, absolute paths, escaped, no file opened, streamed", testListing, ""},
	{14, "each response has one 200 propstat and one 404 propstat, with whole status lines", testPropstats, ""},
	{15, "dates: RFC 1123 and RFC 3339, on collections too, never before 1970", testDates, ""},
	{16, "XML: D: is DAV: on the root and nothing else anywhere, no default namespace, no location", testXMLForm, ""},
	{17, "Destination: URL or path, any scheme, the hosts that are ours, else 502", testDestinationForms, ""},
	{18, "401 for every method with the DAV headers, and the connection stays usable", testConnectionStays, "the server does not authenticate yet: that is an " +
		"issue of its own. Shown is that a request that is refused before its body does not harm the connection"},
	{19, "TLS, Digest or no authentication must be easy", testTLS, "the command does not speak TLS and asks for no password yet: issues of their own. Shown is that " +
		"the handler works behind net/http's TLS"},
	{20, "MKCOL: 201, 405, 409, 415, and 201 for an empty body with a Content-Type", testMkcol, ""},
	{21, "exactly the success codes that KIO takes, never 207 for full success", testSuccessCodes, ""},
	{22, "GET and HEAD: ranges, If-Range with a date, 304, Content-Length, nothing compressed", testGet, ""},
	{23, "HEAD and GET on a collection are 200", testGetCollection, ""},
	{24, "with and without a slash at the end, without redirects", testSlashes, ""},
	{25, "quota only by name, on collections, never negative or above 2^63", testQuota, "there is no switch by User-Agent that hides quota from macOS 15.4 and " +
		"later, and no Mac to see whether it is needed"},
	{26, "no room is 507 before the body is read; a client's fault is never 500", testNoRoom, ""},
	{27, "DELETE and MOVE end locks, UNLOCK only in scope, other users' tokens do not help", testLocksEnd, "what is moved or copied onto a locked resource comes " +
		"under that lock, as RFC 4918 §7.6 says, instead of ending it"},
	{28, "junk names are stored, hidden or dropped; looking for them is cheap", testJunk, ""},
	{29, "modification times: X-OC-Mtime, getlastmodified, lastmodified, Win32, dead ones of Cyberduck", testModificationTimes, ""},
	{30, "the verdict before the body, keep-alive, HTTP/2, and no long silence", testVerdict, "a long COPY or DELETE that succeeds says nothing until its end, which " +
		"may be after more than 25 s; only failures are sent as they happen"},
}

// TestRequirements is the table of what clients need, complete.
func TestRequirements(t *testing.T) {
	for i, r := range requirements {
		if r.number != i+1 {
			t.Fatalf("requirement %d stands where %d should", r.number, i+1)
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
