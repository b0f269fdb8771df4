package clients

import (
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
)

const (
	macAgent    = "WebDAVFS/3.0.0 (03008000) Darwin/24.4.0 (arm64)"
	officeAgent = "Microsoft Office Protocol Discovery"
)

// TestNoMacQuota checks that --no-macos-quota hides the quota from macOS only.
func TestNoMacQuota(t *testing.T) {
	const quota = `<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`
	for _, tt := range []struct {
		rule  string
		hide  bool
		agent string
		quota bool
	}{
		{"RFC 4331 §3: everybody gets it", false, macAgent, true},
		{"not macOS", true, macAgent, false},
		{"nor its first request", true, "WebDAVLib/1.3", false},
		{"others have it", true, "gvfs/1.50.3", true},
		{"a client without a User-Agent has it", true, "", true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := harness.Serve(t, newSmallDisk(1000), &server.Options{NoMacQuota: tt.hide})
			a := s.Want(207, "PROPFIND", "/", quota, "Depth", "0", "User-Agent", tt.agent)
			if got := strings.Contains(a.Body, "<D:quota-available-bytes>1000<"); got != tt.quota || strings.Contains(a.Body, "404") == tt.quota {
				t.Errorf("the answer has a quota: %v, want %v\n%s", got, tt.quota, a.Body)
			}
		})
	}
}

// RFC 4918 §14.1: every DAV:activelock has its DAV:lockroot, also for Office.
func TestLockRootForOffice(t *testing.T) {
	const discovery = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	s := harness.Serve(t, newSmallDisk(1000), nil)
	lock := s.Want(201, "LOCK", "/f", harness.LockBody, "User-Agent", officeAgent)
	for what, body := range map[string]string{
		"LOCK":     lock.Body,
		"refresh":  s.Want(200, "LOCK", "/f", "", "User-Agent", officeAgent, "If", "("+lock.Header.Get("Lock-Token")+")").Body,
		"PROPFIND": s.Want(207, "PROPFIND", "/f", discovery, "Depth", "0", "User-Agent", officeAgent).Body,
	} {
		if !strings.Contains(body, "<D:lockroot><D:href>/f</D:href></D:lockroot>") {
			t.Errorf("%s has no lockroot\n%s", what, body)
		}
	}
}
