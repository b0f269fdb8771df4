package server

import (
	"context"
	"encoding/xml"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/multistatus"
	"dav207/server/resource"
	"dav207/server/tree"
)

// microsoft is the namespace of the properties that Windows keeps for a file.
const microsoft = "urn:schemas-microsoft-com:"

// timeProperties are the names under which clients read and set the time of the last modification, besides
// DAV:getlastmodified: Windows and rclone have their own. They are answered only when asked for by name.
func (h *Handler) timeProperties() []props.Live {
	return []props.Live{
		{Name: xml.Name{Space: microsoft, Local: "Win32LastModifiedTime"}, Alias: true, Append: appendHTTPTime, Set: h.timeSetter(parseHTTPTime)},
		{Name: props.DAV("lastmodified"), Alias: true, Append: appendEpoch, Set: h.timeSetter(parseEpoch)},
	}
}

// setLastModified is the Set of DAV:getlastmodified, nil where the file system cannot set times: it is protected then.
// RFC 4918 §15.7 allows both.
func (h *Handler) setLastModified() props.SetFunc {
	if _, ok := h.tree.FS.(tree.Chtimer); !ok {
		return nil
	}
	return h.timeSetter(parseHTTPTime)
}

func (h *Handler) timeSetter(parse func(string) (time.Time, error)) props.SetFunc {
	return func(ctx context.Context, r props.Resource, value *props.Property) (apply, undo func() error, err error) {
		t, err := parse(strings.TrimSpace(string(value.InnerXML)))
		if err != nil {
			return nil, nil, &multistatus.Error{Status: http.StatusConflict, Err: err, Description: "The value is not a time."} // §9.2.1
		}
		apply = func() error { return h.chtimes(ctx, r.Path, t) }
		undo = func() error { return h.chtimes(context.WithoutCancel(ctx), r.Path, r.Info.ModTime()) }
		return apply, undo, nil
	}
}

// chtimes sets the time of the last modification; where the file system cannot, that is a refusal (403).
func (h *Handler) chtimes(ctx context.Context, p resource.Path, t time.Time) error {
	err := errors.ErrUnsupported
	if c, ok := h.tree.FS.(tree.Chtimer); ok {
		err = c.Chtimes(ctx, p.String(), t)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return &multistatus.Error{Status: http.StatusForbidden, Err: err,
			Condition: multistatus.Precondition(multistatus.CannotModifyProtectedProperty)}
	}
	return err
}

// parseHTTPTime reads an HTTP-date; some clients write the day with one digit.
func parseHTTPTime(s string) (time.Time, error) {
	t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 GMT", s)
	if err != nil {
		t, err = http.ParseTime(s)
	}
	return sane(t, err)
}

// parseEpoch reads seconds since 1970, with or without a fraction.
func parseEpoch(s string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	nanos := 0.0
	if fraction != "" {
		if nanos, err = strconv.ParseFloat("0."+fraction, 64); err != nil || math.IsNaN(nanos) {
			return time.Time{}, errTime
		}
	}
	return sane(time.Unix(sec, int64(nanos*1e9)), nil)
}

var errTime = errors.New("not a time that can be set")

// sane refuses times that could not be given back.
func sane(t time.Time, err error) (time.Time, error) {
	if err == nil && (t.UTC().Year() < 1970 || t.UTC().Year() > 9999) {
		err = errTime
	}
	return t, err
}

func appendHTTPTime(_ context.Context, b []byte, r props.Resource) ([]byte, error) {
	return r.Info.ModTime().UTC().AppendFormat(b, http.TimeFormat), nil
}

func appendEpoch(_ context.Context, b []byte, r props.Resource) ([]byte, error) {
	return strconv.AppendInt(b, r.Info.ModTime().Unix(), 10), nil
}

// wantedTime returns the time that the header X-OC-Mtime asks for: clients that synchronise keep a file's own with it. What
// cannot be read is passed over, and not answered with "accepted".
func wantedTime(head http.Header) (time.Time, bool) {
	wish := strings.TrimSpace(head.Get("X-OC-Mtime"))
	if wish == "" {
		return time.Time{}, false
	}
	t, err := parseEpoch(wish)
	return t, err == nil
}

// setWantedTime gives what was put at p the time that the request asks for, if it can. It reports whether it tried to.
func (h *Handler) setWantedTime(q *request, p resource.Path) bool {
	t, ok := wantedTime(q.Header)
	if !ok {
		return false
	}
	if err := h.chtimes(q.ctx, p, t); err != nil {
		h.warnMember(q, p, err)
		return true
	}
	q.w.Header().Set("X-OC-Mtime", "accepted")
	return true
}
