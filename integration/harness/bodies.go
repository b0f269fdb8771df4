package harness

// LockBody is the body of a LOCK that takes an exclusive lock and names an owner.
const LockBody = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>` +
	`<D:locktype><D:write/></D:locktype><D:owner>a test</D:owner></D:lockinfo>`

// ExclusiveLock is the body of a LOCK that takes an exclusive lock, without an owner.
const ExclusiveLock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

const (
	// SharedLock is the body of a LOCK that takes a shared lock.
	SharedLock = `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`
	// SetColour is the body of a PROPPATCH that sets the dead property {urn:x}colour.
	SetColour = `<propertyupdate xmlns="DAV:"><set><prop><colour xmlns="urn:x">red</colour></prop></set></propertyupdate>`
)

// SetMark is the body of a PROPPATCH that sets the dead property {urn:x}mark.
const SetMark = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">old</mark></prop></set></propertyupdate>`
