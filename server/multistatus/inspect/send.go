package inspect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"time"
)

// MaxBody is the number of bytes of an answer that are read.
const MaxBody = 32 << 20

// limitError is an error for an answer that is whole, and that is not read to its end.
type limitError string

// Error implements error.
func (e limitError) Error() string { return string(e) }

var errTooLong error = limitError(fmt.Sprintf("the body is longer than %d MiB, and not read any further", MaxBody>>20))

// isLimit reports whether an error is a limitError.
func isLimit(err error) bool { return errors.As(err, new(limitError)) }

// maxInterim is the number of 1xx that are read.
const maxInterim = 1000

// maxRedirects is the number of redirects that are followed.
const maxRedirects = 10

// Request is a request to be sent. URL has no user.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header // a field without a value is not sent; Host is that of the request
	Body   []byte
	// Timeout bounds the time until the end of the answer, redirects included. 0 is no bound.
	Timeout time.Duration
	// Transport is how it is sent. Default: like http.DefaultTransport, without compression.
	Transport http.RoundTripper
}

var transport = func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true // the judgement is about the bytes and the fields that were sent
	t.MaxResponseHeaderBytes = 1 << 20
	return t
}()

// Send sends a request and reads the answer, up to MaxBody. It follows redirects of requests that
// change nothing. An error is that of the Exchange.
func Send(ctx context.Context, r *Request) *Exchange {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("it did not end within %v", r.Timeout))
		defer cancel()
	}
	method, target, header, body := r.Method, r.URL, maps.Clone(r.Header), r.Body
	var redirects []*Exchange
	for {
		one := &Request{Method: method, URL: target, Header: header, Body: body, Transport: r.Transport}
		x := one.send(ctx)
		x.Redirects = redirects
		next, ok := x.redirect()
		if !ok {
			return x
		}
		if len(redirects) == maxRedirects {
			x.Err = limitError(fmt.Sprintf("more than %d redirects", maxRedirects))
			return x
		}
		if hostOf(next) != hostOf(target) { // what is secret is for the first host
			header = maps.Clone(header)
			for name := range header {
				if isSecret(name) || name == "Host" {
					delete(header, name)
				}
			}
		}
		if x.Status == http.StatusSeeOther && method != http.MethodHead {
			method, body = http.MethodGet, nil
			header = maps.Clone(header)
			delete(header, "Content-Type")
		}
		redirects, target = append(redirects, x), next
		x.Redirects = nil
	}
}

// Safe reports whether requests with the method change nothing (RFC 9110 §9.2.1).
func Safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH":
		return true
	}
	return false
}

// redirect returns where an answer leads, if it is followed.
func (x *Exchange) redirect() (*url.URL, bool) {
	switch x.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if !Safe(x.Method) {
			return nil, false
		}
	case http.StatusSeeOther:
	default:
		return nil, false
	}
	if x.Err != nil {
		return nil, false
	}
	return x.location()
}

// location returns where the Location of an answer leads.
func (x *Exchange) location() (*url.URL, bool) {
	field := x.Header.Get("Location")
	if field == "" || x.URL == nil {
		return nil, false
	}
	next, err := x.URL.Parse(field)
	if err != nil || next.Scheme != "http" && next.Scheme != "https" {
		return nil, false
	}
	next.User, next.Fragment = nil, ""
	return next, true
}

// send sends one request.
func (r *Request) send(ctx context.Context) *Exchange {
	x := &Exchange{Method: r.Method, URL: r.URL, RequestHeader: r.Header, RequestBody: r.Body, Began: time.Now()}
	trace := &httptrace.ClientTrace{
		GotFirstResponseByte: func() { x.FirstByte = time.Since(x.Began) },
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			if len(x.Interim) == maxInterim {
				return limitError(fmt.Sprintf("more than %d interim answers", maxInterim))
			}
			x.Interim = append(x.Interim, code)
			return nil
		},
	}
	var body io.Reader
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), r.Method, r.URL.String(), body)
	if err != nil {
		x.Err = err
		return x
	}
	maps.Copy(req.Header, r.Header)
	if host := r.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = []string{"dav207"}
	}
	x.RequestHeader = withoutEmpty(req.Header)
	res, err := cmp.Or(r.Transport, transport).RoundTrip(req)
	if err != nil {
		x.Err, x.Took = reason(ctx, err), time.Since(x.Began)
		return x
	}
	defer res.Body.Close()
	x.Proto, x.Status, x.Header = res.Proto, res.StatusCode, res.Header
	x.Body, err = io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	x.Took = time.Since(x.Began)
	switch {
	case len(x.Body) > MaxBody:
		x.Body, x.Err = x.Body[:MaxBody], errTooLong
	case err != nil:
		x.Err = reason(ctx, err)
	}
	if len(res.TransferEncoding) > 0 {
		x.Header["Transfer-Encoding"] = res.TransferEncoding
	}
	return x
}

// withoutEmpty returns the fields that are sent: net/http sends no User-Agent that is nil.
func withoutEmpty(h http.Header) http.Header {
	h = h.Clone()
	maps.DeleteFunc(h, func(_ string, values []string) bool { return len(values) == 0 })
	return h
}

// reason returns the error of a transport, or why ctx ended.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return cause
	}
	return err
}
