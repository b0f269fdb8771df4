// Package rfc4918 tests over HTTP what RFC 4918 and the RFCs it stands on say, section by section:
// the RFC's own examples, its rules and what clients send as text (testdata); conditions, entity
// tags, ranges, locks, symbolic links, the source tree of Go, and the Handler of
// golang.org/x/net/webdav beside ours.
package rfc4918
