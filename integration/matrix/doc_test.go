// Package matrix tests the 207: every method on a tree in which one resource fails it, compared
// with a model.
package matrix
