// Package harness holds what the tests of a running server share: the server on a tree in memory or
// on a disk, and the command itself, a client that hides nothing of an answer, the readers of a
// 207, requests written as scripts, and models of a tree.
package harness
