// Package harness holds what the tests of a running server share. Site is a server on a tree in
// memory or on a disk, with its client; Process is the command itself. DecodeMultistatus reads a
// 207, ScriptRun sends requests written as scripts, and Model and Tree are the expected trees.
package harness
