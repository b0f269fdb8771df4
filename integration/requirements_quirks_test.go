package integration

import (
	"strings"
	"testing"

	"dav207/server"
)

const (
	macAgent    = "WebDAVFS/3.0.0 (03008000) Darwin/24.4.0 (arm64)"
	officeAgent = "Microsoft Office Protocol Discovery"
)

// TestQuirks shows what is left out, for whom, and that nothing is unless it was switched on.
func TestQuirks(t *testing.T) {
	const quota = `<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>`
	const discovery = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	for _, tt := range []struct {
		rule  string
		on    map[server.Quirk][]string
		agent string
		quota bool // is told
		root  bool // is told
	}{
		{"RFC 4331 §3, RFC 4918 §14.1: everybody gets all", nil, macAgent, true, true},
		{"everybody, Office, too", nil, officeAgent, true, true},
		{"macOS without quota", map[server.Quirk][]string{server.NoQuota: nil}, macAgent, false, true},
		{"and its first request", map[server.Quirk][]string{server.NoQuota: nil}, "WebDAVLib/1.3", false, true},
		{"others have it", map[server.Quirk][]string{server.NoQuota: nil}, "gvfs/1.50.3", true, true},
		{"who says nothing has it", map[server.Quirk][]string{server.NoQuota: nil}, "", true, true},
		{"Office without lockroot", map[server.Quirk][]string{server.NoLockRoot: nil}, officeAgent, true, false},
		{"so does the client of Office 2000", map[server.Quirk][]string{server.NoLockRoot: nil}, "Microsoft Data Access Internet Publishing Provider DAV", true, false},
		{"Explorer has it", map[server.Quirk][]string{server.NoLockRoot: nil}, "Microsoft-WebDAV-MiniRedir/10.0.19045", true, true},
		{"both", map[server.Quirk][]string{server.NoLockRoot: nil, server.NoQuota: {"office"}}, officeAgent, false, false},
		{"other clients, in any case", map[server.Quirk][]string{server.NoQuota: {"one", "DARWIN/24"}}, macAgent, false, true},
		{"instead of those that are known", map[server.Quirk][]string{server.NoQuota: {"one"}}, macAgent, true, true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := serve(t, newSmallDisk(1000), &server.Options{Quirks: tt.on})
			a := s.want(207, "PROPFIND", "/", quota, "Depth", "0", "User-Agent", tt.agent)
			if got := strings.Contains(a.Body, "<D:quota-available-bytes>1000<"); got != tt.quota || strings.Contains(a.Body, "404") == tt.quota {
				t.Errorf("quota is told: %v, want %v\n%s", got, tt.quota, a.Body)
			}
			lock := s.want(201, "LOCK", "/f", lockBody, "User-Agent", tt.agent)
			for what, body := range map[string]string{
				"LOCK":     lock.Body,
				"refresh":  s.want(200, "LOCK", "/f", "", "User-Agent", tt.agent, "If", "("+lock.Header.Get("Lock-Token")+")").Body,
				"PROPFIND": s.want(207, "PROPFIND", "/f", discovery, "Depth", "0", "User-Agent", tt.agent).Body,
			} {
				if got := strings.Contains(body, "<D:lockroot><D:href>/f</D:href></D:lockroot>"); got != tt.root || strings.Contains(body, "lockroot") != tt.root {
					t.Errorf("%s tells lockroot: %v, want %v\n%s", what, got, tt.root, body)
				}
			}
			// A refusal names the root to everybody: it is the answer to another question (§16).
			if a := s.want(423, "PUT", "/f", "x", "User-Agent", tt.agent); !strings.Contains(a.Body, "<D:href>/f</D:href>") {
				t.Errorf("PUT = %s", a.Body)
			}
		})
	}
}
