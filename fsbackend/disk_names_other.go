//go:build !linux

package fsbackend

// names reads the names of all members that were not read yet.
func (f *directory) names() ([]string, error) {
	names, err := f.f.Readdirnames(-1)
	return names, f.end(err)
}
