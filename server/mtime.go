package server

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// timeProperties returns the properties besides DAV:getlastmodified by which clients read and set
// the modification time: Windows and rclone have their own. allprop leaves them out.
func (h *Handler) timeProperties() []props.Live {
	return []props.Live{
		{Name: props.Microsoft("Win32LastModifiedTime"), Alias: true, Append: appendHTTPTime, Set: h.timeSetter(props.ParseHTTPDate)},
		{Name: props.DAV("lastmodified"), Alias: true, Append: appendEpoch, Set: h.timeSetter(parseHTTPOrEpoch)},
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

func appendHTTPTime(_ context.Context, b []byte, r props.Resource) ([]byte, error) {
	t := props.LastModified(r.Info)
	if t.IsZero() {
		return b, props.ErrUndefined
	}
	return t.UTC().AppendFormat(b, http.TimeFormat), nil
}

func appendEpoch(_ context.Context, b []byte, r props.Resource) ([]byte, error) {
	t := props.LastModified(r.Info)
	if t.IsZero() {
		return b, props.ErrUndefined
	}
	return strconv.AppendInt(b, t.Unix(), 10), nil
}

// setRequestedTimes sets the times in X-OC-Mtime and X-OC-CTime, in seconds since 1970, with which
// clients that synchronise keep a file's times. If a time was set the response has the header with
// "accepted"; an error is logged. tried is true if the modification time may have changed.
func (h *Handler) setRequestedTimes(q *request, t *tree.Tree, p davpath.Path) (tried bool) {
	if value := strings.TrimSpace(q.Header.Get("X-OC-Mtime")); value != "" {
		if at, err := settable(parseEpoch(value)); err == nil {
			tried = true
			h.reportTime(q, p, "X-OC-Mtime", h.setModTime(q.ctx, p, at))
		}
	}
	if value := strings.TrimSpace(q.Header.Get("X-OC-CTime")); value != "" {
		if at, err := props.Settable(parseEpoch(value)); err == nil {
			h.reportTime(q, p, "X-OC-CTime", h.setCreation(q.ctx, t, p, at))
		}
	}
	return tried
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
