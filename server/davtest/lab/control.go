package lab

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"dav207/server/davtest"
)

//go:embed schema.json
var schema []byte

// maxBody bounds the body of a request to the control API.
const maxBody = 64 << 20

// handler returns the control API.
func (l *Lab) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /{$}":            l.page,
		"GET /schema.json":    func(*http.Request) (any, error) { return document{"application/schema+json", schema}, nil },
		"/status/{code}":      answerStatus,
		"GET /faults":         l.getFaults,
		"POST /faults":        l.addFaults,
		"DELETE /faults":      l.removeFaults,
		"DELETE /faults/{id}": l.removeFault,
		"GET /tree":           l.getTree,
		"PUT /tree":           l.replaceTree,
		"POST /tree":          l.addTree,
		"GET /journal":        l.getJournal,
		"GET /journal.har":    l.getHAR,
		"GET /journal.txt":    l.getRecording,
		"DELETE /journal":     l.clearJournal,
		"GET /clock":          l.getClock,
		"POST /clock":         l.moveClock,
		"GET /persona":        l.getPersona,
		"PUT /persona":        l.setPersona,
		"POST /reset":         l.resetAll,
		"GET /exercises":      l.getExercises,
		"POST /exercises/{n}": l.runExercise,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			answer, err := handle(r)
			respond(w, answer, err)
		})
	}
	return mux
}

// document is an answer that is not JSON of a value.
type document struct {
	contentType string
	content     []byte
}

// statusAnswer is an answer with a status of its own, and JSON.
type statusAnswer struct {
	status int
	header http.Header
	value  any
}

var errUnknown = errors.New("there is no such thing")

// respond sends the answer of the API: JSON, a document, or 204 for nil.
func respond(w http.ResponseWriter, answer any, err error) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errUnknown) {
			status = http.StatusNotFound
		} else if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		answer = statusAnswer{status: status, value: map[string]string{"error": err.Error()}}
	}
	s := statusAnswer{status: http.StatusOK, value: answer}
	switch a := answer.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case document:
		head.Set("Content-Type", a.contentType)
		w.Write(a.content)
		return
	case statusAnswer:
		s = a
	}
	for name, values := range s.header {
		head[name] = values
	}
	if s.value == nil {
		w.WriteHeader(s.status)
		return
	}
	content, err := encode(s.value)
	if err != nil {
		content, s.status = []byte(`{"error": "no JSON can hold it"}`), http.StatusInternalServerError
	}
	head.Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	w.Write(content)
}

// encode returns a value as JSON.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return b.Bytes(), err
}

// Fault is a fault as the API has it.
type Fault struct {
	ID    int             `json:"id"`
	Fired int             `json:"fired"` // in how many requests
	Fault json.RawMessage `json:"fault"`
}

func asFaults(faults []*davtest.Fault) map[string][]Fault {
	list := make([]Fault, len(faults))
	for i, f := range faults {
		list[i] = Fault{f.ID(), f.Fired(), json.RawMessage(f.String())}
	}
	return map[string][]Fault{"faults": list}
}

func (l *Lab) getFaults(*http.Request) (any, error) { return asFaults(l.Faults()), nil }

func (l *Lab) addFaults(r *http.Request) (any, error) {
	file, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(file) == 0 {
		file = []byte{'\n'} // which is no file of faults, while AddFaults takes "" for none
	}
	faults, err := l.AddFaults(string(file))
	if err != nil {
		return nil, err
	}
	return statusAnswer{status: http.StatusCreated, value: asFaults(faults)}, nil
}

func (l *Lab) removeFaults(*http.Request) (any, error) {
	l.RemoveFaults()
	return nil, nil
}

func (l *Lab) removeFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	faults := l.Faults()
	i := slices.IndexFunc(faults, func(f *davtest.Fault) bool { return f.ID() == id })
	if err != nil || i < 0 {
		return nil, fmt.Errorf("fault %q: %w", r.PathValue("id"), errUnknown)
	}
	l.RemoveFaults(faults[i])
	return nil, nil
}

func (l *Lab) getTree(*http.Request) (any, error) {
	return document{"text/plain; charset=utf-8", []byte(l.Tree())}, nil
}

func (l *Lab) replaceTree(r *http.Request) (any, error) { return l.changeTree(r, l.ReplaceTree) }

func (l *Lab) addTree(r *http.Request) (any, error) { return l.changeTree(r, l.AddTree) }

func (l *Lab) changeTree(r *http.Request, change func(string) error) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return nil, change(string(text))
}

// Exchange is an exchange of the journal as the API has it.
type Exchange struct {
	Summary        string      `json:"summary"`
	Method         string      `json:"method"`
	Path           string      `json:"path"` // decoded, without the prefix
	User           string      `json:"user,omitempty"`
	RequestHeader  http.Header `json:"requestHeader"`
	RequestBody    string      `json:"requestBody"`
	Status         int         `json:"status"` // 0: there was no answer
	ResponseHeader http.Header `json:"responseHeader"`
	ResponseBody   string      `json:"responseBody"`
	Broken         string      `json:"broken,omitempty"`
	// Base64 of a body that is no UTF-8 text.
	RequestBodyBase64  []byte `json:"requestBodyBase64,omitempty"`
	ResponseBodyBase64 []byte `json:"responseBodyBase64,omitempty"`
}

// asText returns a body as text, or as it is if it is no UTF-8 text.
func asText(body []byte) (text string, other []byte) {
	if utf8.Valid(body) {
		return string(body), nil
	}
	return "", body
}

func (l *Lab) getJournal(*http.Request) (any, error) {
	list := []Exchange{}
	for _, e := range l.Journal() {
		x := Exchange{Summary: e.String(), Method: e.Method, Path: e.Path, User: e.User, RequestHeader: e.RequestHeader,
			Status: e.Status, ResponseHeader: e.ResponseHeader, Broken: e.Broken}
		x.RequestBody, x.RequestBodyBase64 = asText(e.RequestBody)
		x.ResponseBody, x.ResponseBodyBase64 = asText(e.ResponseBody)
		list = append(list, x)
	}
	return map[string][]Exchange{"exchanges": list}, nil
}

func (l *Lab) getHAR(*http.Request) (any, error) {
	var b bytes.Buffer
	err := l.Journal().HAR(&b)
	return document{"application/json", b.Bytes()}, err
}

func (l *Lab) getRecording(*http.Request) (any, error) {
	var b bytes.Buffer
	err := l.Journal().WriteExchanges(&b, "RFC 4918: recorded by dav207 lab.\n")
	return document{"text/plain; charset=utf-8", b.Bytes()}, err
}

func (l *Lab) clearJournal(*http.Request) (any, error) {
	l.ClearJournal()
	return nil, nil
}

func (l *Lab) getClock(*http.Request) (any, error) {
	return map[string]string{"now": l.Now().UTC().Format(time.RFC3339Nano)}, nil
}

func (l *Lab) moveClock(r *http.Request) (any, error) {
	var move struct {
		Advance string `json:"advance"`
	}
	if err := decode(r, &move); err != nil {
		return nil, fmt.Errorf(`the body is {"advance": "1h"}: %w`, err)
	}
	by, err := time.ParseDuration(move.Advance)
	if err != nil || by < 0 {
		return nil, fmt.Errorf(`%q is no duration such as "1h30m"`, move.Advance)
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	if l.Now().Add(by).After(lastTime) {
		return nil, fmt.Errorf("%s is too far: the clock goes to %s", by, lastTime.Format(time.RFC3339))
	}
	l.Advance(by)
	return l.getClock(r)
}

// lastTime is how far the clock can be moved: Server.Advance takes 292 years in all.
var lastTime = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)

// decode reads the body of a request. A field that v does not have is an error, and so is what
// follows the value.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

func (l *Lab) getPersona(*http.Request) (any, error) {
	return map[string]any{"persona": l.Persona(), "personas": davtest.Personas()}, nil
}

func (l *Lab) setPersona(r *http.Request) (any, error) {
	var change struct {
		Persona *string `json:"persona"`
	}
	if err := decode(r, &change); err != nil || change.Persona == nil {
		return nil, fmt.Errorf(`the body is {"persona": "apache"}: %w`, cmp.Or(err, errors.New("it names no persona")))
	}
	if err := l.SetPersona(*change.Persona); err != nil {
		return nil, err
	}
	return l.getPersona(r)
}

func (l *Lab) resetAll(*http.Request) (any, error) {
	l.Reset()
	return nil, nil
}

// usualHeader returns the header fields that usually go with a status.
func usualHeader(code int) http.Header {
	header := http.Header{}
	switch code {
	case http.StatusCreated, http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		header.Set("Location", "/status/200")
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Basic realm="lab", charset="UTF-8"`)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", "GET, HEAD, OPTIONS")
	case http.StatusProxyAuthRequired:
		header.Set("Proxy-Authenticate", `Basic realm="lab", charset="UTF-8"`)
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", "1")
	case http.StatusRequestedRangeNotSatisfiable:
		header.Set("Content-Range", "bytes */0")
	case http.StatusUpgradeRequired:
		header.Set("Upgrade", "TLS/1.2")
		header.Set("Connection", "Upgrade")
	}
	return header
}

// answerStatus answers any request with the status of its URL, the headers that usually go with it,
// and JSON that describes the request.
func answerStatus(r *http.Request) (any, error) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 || strconv.Itoa(code) != r.PathValue("code") {
		return nil, fmt.Errorf("%q is no final status of HTTP: they are 200 to 599", r.PathValue("code"))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	header := usualHeader(code)
	switch code {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified: // without content (RFC 9110 §15.3.5, §15.3.6, §15.4.5)
		return statusAnswer{status: code, header: header}, nil
	}
	text, other := asText(body)
	described := map[string]any{
		"status": code, "text": http.StatusText(code), "method": r.Method, "url": r.URL.String(), "header": r.Header, "body": text,
	}
	if other != nil {
		described["bodyBase64"] = other
	}
	if code == http.StatusPartialContent { // all of it is the part (RFC 9110 §15.3.7.1)
		content, err := encode(described)
		if err != nil {
			return nil, err
		}
		header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
	}
	return statusAnswer{code, header, described}, nil
}
