// Package concurrency tests clients that work on the same names at the same time: each answer must
// be one that some order of the requests explains.
package concurrency
