// Package rfc4918 tests over HTTP the rules of RFC 4918 and of the RFCs that it refers to.
// Exchanges in testdata are the RFC's own examples, its rules, and recorded clients. The tests
// cover conditions, entity tags, ranges, locks, symbolic links and the source tree of Go, and
// compare the handler with that of golang.org/x/net/webdav.
package rfc4918
