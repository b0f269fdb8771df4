// Package integration holds the tests that drive a running server, in folders that say what they
// test: clients, rfc4918, matrix, concurrency, crash and bench; harness is what they share. The
// test in this folder is of the imports of all packages.
package integration
