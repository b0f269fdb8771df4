package fsbackend

import "time"

// Flock is what tells other processes that a file is being written.
var Flock = flock

// SetSettled changes how old a directory must be to be swept, until the function it returns is called.
func SetSettled(d time.Duration) (restore func()) {
	before := settled
	settled = d
	return func() { settled = before }
}

// Walk has os.Root do everything on this tree.
func (d *Disk) Walk() { d.walks = true }

// ShortName is what Windows may call the server's own files.
var ShortName = shortName

// StartLater lets everything that is there have been there before this process, until the function it returns is called.
func StartLater() (restore func()) {
	before := asides.started
	asides.started = time.Now().Add(time.Hour)
	return func() { asides.started = before }
}
