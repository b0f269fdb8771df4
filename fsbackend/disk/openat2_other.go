//go:build !linux

package disk

import (
	"errors"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// errFallback says that os.Root has to decide, as it always does here.
var errFallback = errors.New("os.Root has to decide")

func (b *backend) openPath(string, bool) error { return errFallback }

func missing(error) bool { return false }

func (b *backend) statDirect(string, string, bool) (*fsbackend.Info, error) {
	return nil, errFallback
}

func (b *backend) openDirect(string, string, davpath.Path, bool) (opened, error) {
	return opened{}, errFallback
}

func (b *backend) renameDirect(string, string) error { return errFallback }

func (b *backend) mkdirDirect(string) error { return errFallback }

func (b *backend) chtimesDirect(string, time.Time) error { return errFallback }

func (b *backend) removeDirect(string) error { return errFallback }

func (b *backend) destinationDirect(string) (destination, error) { return destination{}, errFallback }
