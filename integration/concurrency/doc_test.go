// Package concurrency tests clients that use the same names at the same time. For all answers there
// must be a serial order of the requests that gives the same answers.
package concurrency
