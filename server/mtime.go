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

// timeProperties are the names under which clients read and set the time of the last modification, besides
// DAV:getlastmodified: Windows and rclone have their own. They are answered only when asked for by name.
func (h *Handler) timeProperties() []props.Live {
	return []props.Live{
		{Name: props.Microsoft("Win32LastModifiedTime"), Alias: true, Append: appendHTTPTime, Set: h.timeSetter(props.ParseHTTPDate)},
		{Name: props.DAV("lastmodified"), Alias: true, Append: appendEpoch, Set: h.timeSetter(parseHTTPOrEpoch)},
	}
}

// setLastModified is the Set of DAV:getlastmodified, nil where the file system cannot set times: it is protected then.
// RFC 4918 §15.7 allows both.
func (h *Handler) setLastModified() props.SetFunc {
	if _, ok := h.tree.FS.(tree.Chtimer); !ok {
		return nil
	}
	return h.timeSetter(props.ParseHTTPDate)
}

func (h *Handler) timeSetter(parse func(string) (time.Time, error)) props.SetFunc {
	return func(ctx context.Context, r props.Resource, value *props.Property) (apply, undo func() error, err error) {
		t, err := settable(parse(strings.TrimSpace(string(value.InnerXML))))
		if err != nil {
			return nil, nil, err
		}
		apply = func() error { return h.chtimes(ctx, r.Path, t) }
		undo = func() error { return h.chtimes(context.WithoutCancel(ctx), r.Path, r.Info.ModTime()) }
		return apply, undo, nil
	}
}

// chtimes sets the time of the last modification; where the file system cannot, that is a refusal (403).
func (h *Handler) chtimes(ctx context.Context, p davpath.Path, t time.Time) error {
	c, ok := h.tree.FS.(tree.Chtimer)
	err := errors.ErrUnsupported
	if ok {
		err = h.chtimesKept(ctx, c, p, t)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return &multistatus.Error{Status: http.StatusForbidden, Err: err,
			Condition: multistatus.Precondition(multistatus.CannotModifyProtectedProperty)}
	}
	return err
}

// chtimesKept refuses a time that the file system replaces by another one: FAT has none before
// 1980, and Linux says nothing.
func (h *Handler) chtimesKept(ctx context.Context, c tree.Chtimer, p davpath.Path, t time.Time) error {
	const fat, step = 1980, 2 * time.Second
	if t.UTC().Year() >= fat {
		return c.Chtimes(ctx, p.String(), t)
	}
	before, err := h.tree.Stat(ctx, p)
	if err != nil {
		return err
	}
	if err := c.Chtimes(ctx, p.String(), t); err != nil {
		return err
	}
	after, err := h.tree.Stat(ctx, p)
	if err != nil {
		return err
	}
	if after.Info.ModTime().Sub(t).Abs() < step {
		return nil
	}
	return errors.Join(props.ErrNoTime, c.Chtimes(context.WithoutCancel(ctx), p.String(), before.Info.ModTime()))
}

var epoch = regexp.MustCompile(`^[-+]?\d+(\.\d*)?$`)

// parseEpoch reads seconds since 1970, with or without a fraction.
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

// parseHTTPOrEpoch reads either.
func parseHTTPOrEpoch(s string) (time.Time, error) {
	if t, err := props.ParseHTTPDate(s); err == nil {
		return t, nil
	}
	return parseEpoch(s)
}

// settable is props.Settable for times of modification. Those before 1970 are refused, too: clients
// and file systems have no number for them.
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

// setWantedTimes gives what was put at p the times that the request asks for, if it can: clients
// that synchronise keep a file's own with X-OC-Mtime and X-OC-CTime, in seconds since 1970. What
// cannot be set is passed over, and not answered with "accepted". It reports whether it tried to
// set the time of the last modification.
func (h *Handler) setWantedTimes(q *request, t *tree.Tree, p davpath.Path) (tried bool) {
	if wish := strings.TrimSpace(q.Header.Get("X-OC-Mtime")); wish != "" {
		if at, err := settable(parseEpoch(wish)); err == nil {
			tried = true
			h.accepted(q, p, "X-OC-Mtime", h.chtimes(q.ctx, p, at))
		}
	}
	if wish := strings.TrimSpace(q.Header.Get("X-OC-CTime")); wish != "" {
		if at, err := props.Settable(parseEpoch(wish)); err == nil {
			h.accepted(q, p, "X-OC-CTime", h.setCreation(q.ctx, t, p, at))
		}
	}
	return tried
}

// accepted answers for a time that a header asked for: err says why it is not set.
func (h *Handler) accepted(q *request, p davpath.Path, name string, err error) {
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
