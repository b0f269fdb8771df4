// Package integration holds the tests that drive a running server, in folders that say what they
// test: clients, rfc4918, matrix, concurrency, crash and bench; harness is what they share. The
// tests in this folder check the source itself: which package imports which, and how large
// functions, comments and directories are.
package integration
