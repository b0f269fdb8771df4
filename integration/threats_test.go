package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
)

// threats are what others have fallen to that serve files over HTTP, with the defence of this
// server and tests that attack it: the directory of a test, then names of tests there.
var threats = []struct {
	threat, defence string
	tests           []string
}{
	// What shapes the design.
	{"a symbolic link leads out of the tree", "every name is resolved by the kernel or os.Root below one open directory", []string{
		"fsbackend/disk TestBelowOutwardLink TestFsIsAJail TestKernelOrRoot", "fsbackend/mounts TestLinkToOtherMount"}},
	{"a directory is swapped for a link between check and use", "openat2 or os.Root for each use; what was opened is asked for its kind and size", []string{
		"fsbackend/disk TestSwappedDirectory TestCopyTreeFollowsNoLinkInARace TestRemoveTreeFollowsNoLinkInARace", "props/boltprops TestNoFollowRace"}},
	{"rules see another spelling of a path than the files", "davpath.Path is the only name, and only one function makes it from a URL", []string{
		"integration/matrix TestSpellings", "server/davpath TestParse TestParseCanonical", "server/access/rules TestIgnoreCase", "integration/rfc4918 TestReservedNames"}},
	{"a verb escapes the rule", "each method asks the policy for each resource that it touches, members and destinations included", []string{
		"integration/matrix TestMatrixRules TestMatrixUnderAPolicy", "fsbackend/mounts TestPolicy TestMounts", "cmd/dav207 TestServeReadOnly", "integration/rfc4918 TestRulesForLocks"}},
	{"an overwrite that fails has destroyed what was there", "temp file and rename; overlaps are refused before a change; what is replaced is set aside first", []string{
		"fsbackend/disk TestUploadIsAtomic", "integration/concurrency TestBrokenUpload", "integration/rfc4918 TestOverlapThroughLinks",
		"integration/matrix TestMatrixCopy TestMatrixMove"}},
	{"an XML body without end", "1 MiB, and a deadline for all of it", []string{"server TestBodies TestSlowBodies", "server/batch TestLimits"}},
	{"a small request has a huge answer", "the names that a PROPFIND asks for are bounded, also in bytes; a 207 is streamed", []string{
		"server TestBodyBounds", "server/multistatus TestWriterStreams"}},
	{"depth and cost of XML", "a parser with bounds on depth, names and attributes; DOCTYPE is refused", []string{
		"server/davxml TestLimits TestParseMalformed TestTimeIsLinear TestContentSizeIsBounded"}},
	{"what clients stored breaks or injects output", "properties are stored as checked tokens and written anew; names of new resources are checked", []string{
		"server/davxml TestEscape TestContentRoundTrip TestContentForgedDeclaration", "server TestLimitsOfNames", "server/index TestPage", "server/multistatus TestWriterInvalid"}},
	{"slow clients", "deadlines for headers, XML bodies and idle connections; who reads slowly holds nobody up", []string{
		"cmd/dav207 TestServeBoundsConnections", "server TestSlowBodies TestSlowReadersDoNotBlockOthers", "server/batch TestClientDoesNotRead"}},
	{"a pipe or device in the tree blocks or has no end", "opened without blocking, and served only if the open file is regular", []string{
		"fsbackend/disk TestSpecialFilesAreNotOpened TestFIFOSwappedIn", "integration/clients TestListingWithAPipe"}},
	{"locks: floods, stolen and guessed tokens", "tokens count for their user and scope only and are shown to no other; numbers and times are bounded", []string{
		"integration/clients TestLocksOfUsers", "server TestTooManyLocks TestTooManyLocksFromBelow", "server/locks TestLimits TestDeepRoots", "integration/rfc4918 TestLockTokens TestLockTimeout",
		"fsbackend/mounts TestPolicy"}},
	{"state of one user's path is another's", "the user's name is in the path, which is the only key; ranges end at a segment", []string{
		"fsbackend/mounts TestUsersStateIsApart TestUsers TestValidUser", "server/davpath TestPath", "server/locks TestBelow"}},
	{"a crash loses properties or leaves parts of files", "properties are on the disk before the answer; announced moves are finished and temp files cleaned at the start", []string{
		"integration/crash TestCrash TestKilled TestFailedWrite", "props/boltprops TestKilled TestHalfDamaged", "fsbackend/disk TestCleanTempRestores"}},
	{"hashing passwords costs more than guessing them", "few hashes at once, one for what was right, none for what cannot be; waits after failures; no user can be told from none", []string{
		"server/middleware TestHashingIsBounded TestUnknownUserTakesSameTime TestBackoff TestRememberIsBounded TestBasic", "integration/clients TestPasswordGuessing"}},
	{"uploaded HTML runs as a page of the server", "nosniff, a sandbox as Content-Security-Policy, escaped listings without stored properties", []string{
		"integration/rfc4918 TestExchanges TestUploadedScript", "server/index TestPage"}},
	{"pages of other sites use the browser's password", "their requests are refused; CORS is off, and for named origins only", []string{
		"server/middleware TestSameSite TestCORS TestParseOrigin", "integration/clients TestCrossSiteRequests TestCORSPage", "cmd/dav207 TestServeCORS"}},
	{"Destination names another host, scheme or file", "one header field, our host and schemes, through the function that parses the Request-URI", []string{
		"server TestDestination", "server/origin TestParseURL", "integration/matrix TestSpellings"}},
	{"a full disk or no descriptors destroy files or lie about it", "each error has its status; temp files of what failed are removed", []string{
		"integration/crash TestUploadToAFullDisk TestFullDisk", "server TestInsufficientStorage", "server/multistatus TestStatusOf", "fsbackend/quota TestFailuresTakeNothing"}},
	{"passwords and paths in logs and errors, forged lines", "no header field with credentials and no query is logged; texts of errors are fixed", []string{
		"server/middleware TestLogInjection TestBasicLog TestLogBounds", "integration/matrix TestErrorsDoNotShowTheDisk"}},

	// Further ones.
	{"two lengths of one body (RFC 9112 §6.1)", "the connection is closed after each request that a proxy may have read otherwise", []string{
		"server TestAmbiguousRequestsCloseTheConnection", "cmd/dav207 TestServeBoundsConnections"}},
	{"a COPY or MOVE into itself", "compared by segments, and by identity through links", []string{"integration/rfc4918 TestOverlapThroughLinks TestCopyWithLinksIntoItself", "server/tree TestOperations"}},
	{"trees deeper than the system's paths", "new paths are bounded; walks of older ones go directory by directory", []string{
		"integration/rfc4918 TestDeepTree", "server TestDeleteDeep", "fsbackend/disk TestLongPaths"}},
	{"a thousand ranges", "64 ranges that hold no more than the file, else the whole file", []string{"integration/rfc4918 TestManyRanges TestRangeLimits"}},
	{"If header fields without end or sense", "one parser, which always advances and counts", []string{"server/davheader TestParseIf", "server TestIfWithUnknownState"}},
	{"floods of HTTP/2", "only with TLS, with few streams a connection", []string{"cmd/dav207 TestServeBoundsConnections", "integration/rfc4918 TestHTTP2AnswersEndLast"}},
	{"cost of URLs", "no URL of a client is resolved against another; the header is bounded", []string{"server TestEscapedPathsOfAnyLength", "cmd/dav207 TestServeBoundsConnections"}},
	{"PUT of a part", "Content-Range is 400", []string{"integration/rfc4918 TestExchanges"}},
	{"external entities", "DOCTYPE is refused, so nothing that is stored can refer to one", []string{"server/davxml TestParseMalformed"}},
	{"dead properties fill the disk", "bounds on a value, a resource and a request: 507", []string{"props TestMemoryLimits", "props/boltprops TestLimits"}},
	{"names that some system folds or decodes again", "bytes are compared as bytes, and decoded once", []string{"integration/matrix TestSpellings", "server/tree TestMoveToAnotherSpelling", "fsbackend/disk TestNames"}},
	{"a server without a password for all", "other machines need a password, which needs TLS, or a flag that says otherwise; every method asks for it", []string{
		"cmd/dav207 TestServeExposed TestServeRefusesOtherHosts", "server/middleware TestBasicUnauthorized TestHosts"}},
	{"what is hidden shows in a listing, a status, a number or a time", "hidden and missing have one answer, and walks leave out what is hidden", []string{
		"integration/matrix TestHiddenIsAbsent TestHiddenAround TestHiddenIsNotListed TestHiddenPathsAreNotMeasured", "server TestNoRedirectWithoutAccess"}},
	{"uploads together exceed a quota", "space is reserved before it is used", []string{"fsbackend/quota TestSharedLimit TestParallelUploads", "integration/matrix TestStorm"}},
}

// TestThreats finds each test that the table names, so that none goes or changes its name unseen.
func TestThreats(t *testing.T) {
	tests := map[string]bool{}
	eachGoFile(t, func(file, rel string) error {
		if !strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[path.Dir(rel)+" "+f.Name.Name] = true
			}
		}
		return nil
	})
	for _, threat := range threats {
		if threat.defence == "" || len(threat.tests) == 0 {
			t.Errorf("%s: no defence", threat.threat)
		}
		for _, entry := range threat.tests {
			dir, names, _ := strings.Cut(entry, " ")
			for name := range strings.FieldsSeq(names) {
				if !tests[dir+" "+name] {
					t.Errorf("%s: there is no %s in %s", threat.threat, name, dir)
				}
			}
		}
	}
}
