package server

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// lockProperties returns the live properties about locks (RFC 4918 §15.8, §15.10).
func (h *Handler) lockProperties() []props.Live {
	const supported = `<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>` +
		`<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`
	return []props.Live{
		{Name: props.DAV("lockdiscovery"), Prepare: h.memberLocks},
		{Name: props.DAV("supportedlock"), Prepare: func(ctx context.Context) props.AppendFunc {
			lockable := h.lockable(ctx)
			return func(b []byte, r *props.Resource) ([]byte, error) {
				if !lockable(r.Path) {
					return b, nil
				}
				return append(b, supported...), nil
			}
		}},
	}
}

// lockable returns a function that reports whether the policy lets the user lock a resource. It
// asks once for the members of a collection, from the second on, where one answer holds for all.
func (h *Handler) lockable(ctx context.Context) func(davpath.Path) bool {
	var collection davpath.Path
	members, all, some := 0, false, false
	return func(p davpath.Path) bool {
		if _, another := p.MemberOf(collection); another {
			members++
		} else {
			collection, members = p.Parent(), 1
		}
		if members == 2 {
			some = h.allowsSome(ctx, access.WriteContent, collection) && h.allowsSome(ctx, access.Lock, collection)
			all = some && h.allowsAll(ctx, collection, access.WriteContent, access.Lock)
		}
		if members > 1 && (all || !some) {
			return all
		}
		return h.checkLockable(ctx, p) == nil
	}
}

// userProperties returns the properties about the user of the request. allprop leaves them out.
func (h *Handler) userProperties() []props.Live {
	return []props.Live{
		{Name: props.DAV("current-user-principal"), Hidden: true, Prepare: func(ctx context.Context) props.AppendFunc {
			return func(b []byte, _ *props.Resource) ([]byte, error) { return append(b, h.principalHref(ctx)...), nil }
		}},
		{Name: props.DAV("current-user-privilege-set"), Hidden: true, Prepare: func(ctx context.Context) props.AppendFunc {
			return func(b []byte, r *props.Resource) ([]byte, error) { return h.appendPrivileges(ctx, b, r), nil }
		}},
	}
}

// principalHref returns the content of DAV:current-user-principal (RFC 5397 §3).
func (h *Handler) principalHref(ctx context.Context) string {
	name := access.Principal(ctx)
	if name == "" {
		return "<D:unauthenticated/>"
	}
	href := davxml.EscapeText(nil, h.hrefs(ctx).Href(principalPath(name), false))
	return "<D:href>" + string(href) + "</D:href>"
}

// principalPath returns the path of a user's principal resource (RFC 3744 §4). It is reserved, so
// that no file has it.
func principalPath(name string) davpath.Path {
	return davpath.Root.Child(davpath.StateName).Child("~" + url.PathEscape(name))
}

// appendPrivileges appends the content of DAV:current-user-privilege-set (RFC 3744 §5.4). Those to
// add and remove members are those for a member that no rule names. access.Lock is abstract and
// contained in DAV:write.
func (h *Handler) appendPrivileges(ctx context.Context, b []byte, r *props.Resource) []byte {
	may := func(p access.Privilege, path davpath.Path) bool {
		if h.policy == nil {
			return p != access.Unlock
		}
		return h.policy.Check(ctx, p, path) == nil
	}
	write, read, unlock := may(access.Lock, r.Path), may(access.Read, r.Path), may(access.Unlock, r.Path)
	list := func(name string, granted bool) bool {
		if granted {
			b = append(append(append(b, "<D:privilege><D:"...), name...), "/></D:privilege>"...)
		}
		return granted
	}
	for _, p := range []access.Privilege{access.WriteContent, access.WriteProperties} {
		write = list(p.String(), may(p, r.Path)) && write
	}
	if r.Info.IsDir() {
		for _, p := range []access.Privilege{access.Bind, access.Unbind} {
			write = list(p.String(), may(p, r.Path.Child("*"))) && write
		}
	}
	list("write", write)
	list("read", read)
	list("unlock", unlock)
	list("all", write && read && unlock)
	return b
}

// rootDisplayName changes DAV:displayname of the root to the last segment of its URL, if there is
// one.
func (h *Handler) rootDisplayName(live []props.Live) []props.Live {
	i := slices.IndexFunc(live, func(l props.Live) bool { return l.Name == props.DAV("displayname") })
	prepare := live[i].Prepare
	live[i].Prepare = func(ctx context.Context) props.AppendFunc {
		of := prepare(ctx)
		return func(b []byte, r *props.Resource) ([]byte, error) {
			if r.Path.IsRoot() {
				if name := h.hrefs(ctx).Prefix().Name(); name != "" {
					return davxml.EscapeText(b, name), nil
				}
			}
			return of(b, r)
		}
	}
	return live
}

// appendLocks appends a DAV:activelock for each lock that covers path (§14.1). It leaves out the
// tokens of locks that another principal created. q is the request for the resource, nil in a
// listing.
func (h *Handler) appendLocks(ctx context.Context, q *request, b []byte, path davpath.Path, covering []locks.Lock) []byte {
	for _, l := range covering {
		remaining := h.locks.Remaining(l)
		if remaining <= 0 {
			continue // it has expired since
		}
		b = append(b, `<D:activelock><D:lockscope>`...)
		if l.Shared {
			b = append(b, `<D:shared/>`...)
		} else {
			b = append(b, `<D:exclusive/>`...)
		}
		b = append(b, `</D:lockscope><D:locktype><D:write/></D:locktype><D:depth>`...)
		if l.Infinite {
			b = append(b, `infinity`...)
		} else {
			b = append(b, '0')
		}
		b = append(b, `</D:depth>`...)
		if l.Owner != nil {
			owner := multistatus.Property{XMLName: props.DAV("owner"), Lang: l.OwnerLang, Attr: l.OwnerAttr, InnerXML: l.Owner}
			b, _ = multistatus.AppendProperty(b, &owner) // the name is valid
		}
		b = append(b, `<D:timeout>`...)
		b = append(b, locks.FormatTimeout(remaining)...)
		b = append(b, `</D:timeout>`...)
		if l.Principal == access.Principal(ctx) {
			b = append(b, `<D:locktoken><D:href>`...)
			b = append(b, l.Token...)
			b = append(b, `</D:href></D:locktoken>`...)
		}
		b = append(b, `<D:lockroot><D:href>`...)
		b = davxml.EscapeText(b, h.lockRoot(ctx, q, l, path))
		b = append(b, `</D:href></D:lockroot>`...)
		b = append(b, `</D:activelock>`...)
	}
	return b
}

// quotaProperties returns the properties of RFC 4331. allprop leaves them out (§2 there). They are
// defined for collections if the back end knows its usage.
func (h *Handler) quotaProperties() []props.Live {
	quota := func(pick func(used, free uint64) uint64) func(context.Context) props.AppendFunc {
		return func(ctx context.Context) props.AppendFunc {
			return func(b []byte, r *props.Resource) ([]byte, error) {
				if !r.Info.IsDir() || quotaHidden(ctx) {
					return b, props.ErrUndefined
				}
				used, free, err := h.tree.FS.Usage(ctx, r.Path)
				if errors.Is(err, errors.ErrUnsupported) {
					return b, props.ErrUndefined
				}
				if err != nil {
					return b, &multistatus.Error{Status: http.StatusInternalServerError, Err: err}
				}
				const most = 1<<63 - 1 // clients parse it into an int64
				return strconv.AppendUint(b, min(pick(used, free), most), 10), nil
			}
		}
	}
	return []props.Live{
		{Name: props.DAV("quota-available-bytes"), Hidden: true, Prepare: quota(func(_, free uint64) uint64 { return free })},
		{Name: props.DAV("quota-used-bytes"), Hidden: true, Prepare: quota(func(used, _ uint64) uint64 { return used })},
	}
}

type hiddenQuotaKey struct{}

// hideQuota returns a context that hides the quota if the client is one of Options.NoMacQuota.
func (h *Handler) hideQuota(ctx context.Context, agent string) context.Context {
	if h.noMacQuota && (strings.Contains(agent, "WebDAVFS/") || strings.Contains(agent, "WebDAVLib/")) {
		return context.WithValue(ctx, hiddenQuotaKey{}, true)
	}
	return ctx
}

func quotaHidden(ctx context.Context) bool { return ctx.Value(hiddenQuotaKey{}) != nil }

// collectionLocks caches the locks on the members of the collection being listed. All members
// without a lock of their own have the same ones.
type collectionLocks struct {
	collection davpath.Path
	real       davpath.Path // of collection
	inherited  []byte       // DAV:lockdiscovery of a member without a lock of its own
	hasOwn     bool         // a member has a lock of its own
	known      bool         // the other fields are set
}

type listingKey struct{}

// withListing returns the context for the properties of a listing of base.
func (h *Handler) withListing(ctx context.Context, base davpath.Path) context.Context {
	if h.locks.Len() == 0 {
		return ctx
	}
	return context.WithValue(ctx, listingKey{}, base)
}

// memberLocks is the Prepare of DAV:lockdiscovery. A lock created during a listing may be missing
// in it.
func (h *Handler) memberLocks(ctx context.Context) props.AppendFunc {
	if h.locks.Len() == 0 {
		return func(b []byte, _ *props.Resource) ([]byte, error) { return b, nil }
	}
	base, listed := ctx.Value(listingKey{}).(davpath.Path)
	m := collectionLocks{}
	return func(b []byte, r *props.Resource) ([]byte, error) {
		if !listed || r.Path == base || r.Link {
			return h.appendLocks(ctx, nil, b, r.Path, h.coveringLocks(ctx, r.Path)), nil
		}
		if collection := r.Path.Parent(); !m.known || m.collection != collection {
			m = collectionLocks{collection: collection, real: h.realPath(ctx, collection), known: true}
			m.hasOwn = h.locks.AnyBelow(collection) || h.locks.AnyBelow(m.real)
			inherited := slices.DeleteFunc(h.coveringPathLocks(collection, m.real), func(l locks.Lock) bool { return !l.Infinite })
			m.inherited = h.appendLocks(ctx, nil, nil, collection, inherited)
		}
		if !m.hasOwn {
			return append(b, m.inherited...), nil
		}
		return h.appendLocks(ctx, nil, b, r.Path, h.coveringPathLocks(r.Path, m.real.Child(r.Path.Name()))), nil
	}
}

// timeProperties returns the properties besides DAV:getlastmodified by which clients read and set
// the modification time: Windows and rclone have their own. allprop leaves them out.
func (h *Handler) timeProperties() []props.Live {
	return []props.Live{
		{Name: props.DAV("lastmodified"), Alias: true, Prepare: epochTime, Set: h.timeSetter(parseHTTPOrEpoch)},
	}
}

// timeSetter returns the Set of a property that parse parses to a modification time.
func (h *Handler) timeSetter(parse func(string) (time.Time, error)) props.SetFunc {
	return func(ctx context.Context, r props.Resource, value *props.Property) (apply, undo func() error, err error) {
		t, err := settable(parse(strings.TrimSpace(string(value.InnerXML))))
		if err != nil {
			return nil, nil, err
		}
		apply = func() error { return h.setModTime(ctx, r.Path, t) }
		undo = func() error { return h.setModTime(context.WithoutCancel(ctx), r.Path, r.Info.ModTime()) }
		return apply, undo, nil
	}
}

// setModTime sets the modification time. If the back end cannot, the properties of that time are
// protected, which RFC 4918 §15.7 allows.
func (h *Handler) setModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	err := h.setExactModTime(ctx, p, t)
	if errors.Is(err, errors.ErrUnsupported) {
		return &multistatus.Error{Status: http.StatusForbidden, Err: err,
			Condition: multistatus.Precondition(multistatus.CannotModifyProtectedProperty)}
	}
	return err
}

// setExactModTime sets the modification time. It returns props.ErrNoTime and restores the old time
// if the file system stores another one: FAT has none before 1980, and Linux reports no error.
func (h *Handler) setExactModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	const fat, step = 1980, 2 * time.Second
	if t.UTC().Year() >= fat {
		return h.tree.FS.SetModTime(ctx, p, t)
	}
	before, err := h.tree.Stat(ctx, p)
	if err != nil {
		return err
	}
	if err := h.tree.FS.SetModTime(ctx, p, t); err != nil {
		return err
	}
	after, err := h.tree.Stat(ctx, p)
	if err != nil {
		return err
	}
	if after.Info.ModTime().Sub(t).Abs() < step {
		return nil
	}
	return errors.Join(props.ErrNoTime, h.tree.FS.SetModTime(context.WithoutCancel(ctx), p, before.Info.ModTime()))
}

// parseHTTPOrEpoch parses an HTTP-date or seconds since 1970.
func parseHTTPOrEpoch(s string) (time.Time, error) {
	if t, err := props.ParseHTTPDate(s); err == nil {
		return t, nil
	}
	return parseEpoch(s)
}

// settable is props.Settable for modification times. It also refuses times before 1970, which many
// clients and file systems cannot represent.
func settable(t time.Time, err error) (time.Time, error) {
	if t, err = props.Settable(t, err); err == nil && t.Unix() < 0 {
		err = props.ErrNoTime
	}
	return t, err
}

func epochTime(context.Context) props.AppendFunc {
	return func(b []byte, r *props.Resource) ([]byte, error) {
		t := props.LastModified(r.Info)
		if t.IsZero() {
			return b, props.ErrUndefined
		}
		return strconv.AppendInt(b, t.Unix(), 10), nil
	}
}

// setRequestedTimes sets the times in X-OC-Mtime and X-OC-CTime, in seconds since 1970, with which
// clients that synchronise keep a file's times. If a time was set the response has the header with
// "accepted"; an error is logged. tried is true if the modification time may have changed.
func (h *Handler) setRequestedTimes(q *request, t *tree.Tree, p davpath.Path) (tried bool) {
	if value := strings.TrimSpace(q.Header.Get("X-OC-Mtime")); value != "" {
		if at, err := settable(parseEpoch(value)); err == nil {
			if err = h.checkSettable(q.ctx, p, props.DAV("getlastmodified")); err == nil {
				tried = true
				err = h.setModTime(q.ctx, p, at)
			}
			h.reportTime(q, p, "X-OC-Mtime", err)
		}
	}
	if value := strings.TrimSpace(q.Header.Get("X-OC-CTime")); value != "" {
		if at, err := props.Settable(parseEpoch(value)); err == nil {
			h.reportTime(q, p, "X-OC-CTime", h.setCreation(q.ctx, t, p, at))
		}
	}
	return tried
}

// checkSettable returns the error of the policy for setting a property.
func (h *Handler) checkSettable(ctx context.Context, p davpath.Path, name xml.Name) error {
	err := h.checkPolicy(ctx, access.WriteProperties, p)
	if err == nil && h.property != nil {
		err = h.property.CheckProperty(ctx, access.WriteProperties, p, name)
	}
	return err
}

// reportTime sets the response header of a requested time, or logs err.
func (h *Handler) reportTime(q *request, p davpath.Path, name string, err error) {
	if err != nil {
		h.warnMember(q, p, err)
		return
	}
	q.w.Header().Set(name, "accepted")
}

// setCreation sets DAV:creationdate.
func (h *Handler) setCreation(ctx context.Context, t *tree.Tree, p davpath.Path, at time.Time) error {
	r, err := t.Stat(ctx, p)
	if err == nil {
		err = h.checkSettable(ctx, p, props.DAV("creationdate"))
	}
	if err != nil {
		return err
	}
	value := at.UTC().AppendFormat(nil, time.RFC3339)
	outcome, err := h.registry.Patch(ctx, t.Props, h.property, r,
		[]props.Change{{Property: props.Property{XMLName: props.DAV("creationdate"), InnerXML: value}}})
	if err == nil && outcome[0].Status != http.StatusOK {
		err = &multistatus.Error{Status: outcome[0].Status, Err: errors.New("DAV:creationdate cannot be set")}
	}
	return err
}

var epoch = regexp.MustCompile(`^[-+]?\d+(\.\d*)?$`)

// parseEpoch parses seconds since 1970, with an optional fraction.
func parseEpoch(s string) (time.Time, error) {
	if !epoch.MatchString(s) {
		return time.Time{}, props.ErrNoTime
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if whole[0] == '-' {
		nanos = -nanos
	}
	return time.Unix(sec, nanos), err
}
