//go:build !linux

package fsbackend

import (
	"errors"
	"io/fs"
	"time"
)

// errUnsure says that os.Root has to decide, as it always does here.
var errUnsure = errors.New("there is no direct way")

// renameDirect never knows here, either.
func (d *Disk) renameDirect(from, to string) error { return errUnsure }

func (d *Disk) mkdirDirect(string, fs.FileMode) error { return errUnsure }

func (d *Disk) chtimesDirect(string, time.Time) error { return errUnsure }

func (d *Disk) removeDirect(string) error { return errUnsure }

// direct never knows here: the links on the way are looked for one by one.
func (d *Disk) direct(string, bool) bool { return false }

func (d *Disk) probe(string, bool) error { return errUnsure }

func missing(error) bool { return false }

func (d *Disk) lookDirect(string, string, bool) (fs.FileInfo, error) { return nil, errUnsure }

func (d *Disk) openDirect(string, string, bool) (opened, error) { return opened{}, errUnsure }

func (d *Disk) destinationDirect(string) (destination, error) { return destination{}, errUnsure }

func (d *Disk) replaceDirect(string, string) error { return errUnsure }
