package davtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"dav207/server/multistatus"
)

// A file of faults is JSON: {"faults": [{"method": "DELETE", "path": "/c/03", "status": 423}, …]}.
// Its words are those of the methods of Fault: see the README.

// String returns the fault as a line of a file.
func (s *faultSpec) String() string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// AddFaults adds the faults of a file, or none if one of them is wrong: then the error is a
// *LineError.
func (s *Server) AddFaults(file string) ([]*Fault, error) {
	if file == "" {
		return nil, nil
	}
	specs, err := parseFaults([]byte(file))
	if err != nil {
		return nil, err
	}
	faults := make([]*Fault, len(specs))
	for i, spec := range specs {
		faults[i] = s.add(spec)
	}
	return faults, nil
}

// Faults returns all faults, in the order in which they are asked.
func (s *Server) Faults() []*Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// RemoveFaults removes these faults, or all if there are none.
func (s *Server) RemoveFaults(faults ...*Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(slices.Clone(s.faults), func(f *Fault) bool { return len(faults) == 0 || slices.Contains(faults, f) })
}

// LineError is a mistake in a file of faults or in a tree as text.
type LineError struct {
	In   string // "faults" or "tree"
	Line int    // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.In, e.Line, e.Err) }

// Unwrap returns the mistake.
func (e *LineError) Unwrap() error { return e.Err }

// parseFaults parses a file of faults. Its error is a *LineError.
func parseFaults(file []byte) ([]*faultSpec, error) {
	at := func(offset int64, err error) error {
		offset = min(max(offset, 0), int64(len(file)))
		return &LineError{"faults", 1 + bytes.Count(file[:offset], []byte("\n")), jsonError(err)}
	}
	if valid := bytes.ToValidUTF8(file, nil); len(valid) < len(file) {
		same := 0
		for same < len(valid) && valid[same] == file[same] {
			same++
		}
		return nil, at(int64(same), errors.New("it is no UTF-8 text (RFC 8259 §8.1)"))
	}
	d := json.NewDecoder(bytes.NewReader(file))
	for _, want := range []any{json.Delim('{'), "faults", json.Delim('[')} {
		if token, err := d.Token(); err != nil || token != want {
			return nil, at(d.InputOffset(), errors.New(`a file of faults begins with {"faults": [`))
		}
	}
	var specs []*faultSpec
	for d.More() {
		begin := skipSpace(file, d.InputOffset())
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, at(syntaxOffset(err, d.InputOffset()), err)
		}
		s, offset, err := parseFault(raw)
		if err != nil {
			return nil, at(begin+offset, err)
		}
		specs = append(specs, s)
	}
	for _, want := range []json.Delim{']', '}'} {
		if token, err := d.Token(); err != nil || token != want {
			return nil, at(d.InputOffset(), errors.New(`a file of faults ends with ]}`))
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, at(d.InputOffset(), errors.New("something follows the faults"))
	}
	return specs, nil
}

// parseFault parses one fault of a file. offset is that of a mistake in it.
func parseFault(raw []byte) (s *faultSpec, offset int64, err error) {
	s = new(faultSpec)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, mistakeOffset(raw, err), err
	}
	if offset, err := checkKeys(raw, reflect.TypeFor[faultSpec]()); err != nil {
		return nil, offset, err
	}
	return s, 0, s.compile(true)
}

// checkKeys returns an error if an object has a key twice, or one in another case than that of the
// fields of a type: package json accepts both. offset is where.
func checkKeys(raw []byte, of reflect.Type) (offset int64, err error) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if raw[0] != '{' || of.Kind() != reflect.Struct && of.Kind() != reflect.Map {
		return 0, nil
	}
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.Token()
	for d.More() {
		at := skipSpace(raw, d.InputOffset())
		token, _ := d.Token()
		key, _ := token.(string)
		if seen[key] {
			return at, fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		from := skipSpace(raw, d.InputOffset())
		from += int64(len(raw[from:]) - len(bytes.TrimLeft(raw[from:], " \t\r\n:")))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return from, err
		}
		if of.Kind() == reflect.Map {
			continue
		}
		field, ok := fieldOf(of, key)
		if !ok {
			return at, fmt.Errorf("a fault has no %q: it has %s", key, faultWords)
		}
		if offset, err := checkKeys(value, field.Type); err != nil {
			return from + offset, err
		}
	}
	return 0, nil
}

// fieldOf returns the field of a struct that has a key in JSON.
func fieldOf(of reflect.Type, key string) (field reflect.StructField, ok bool) {
	for i := range of.NumField() {
		field = of.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name == key {
			return field, true
		}
	}
	return field, false
}

// skipSpace returns the offset of the next value in a list.
func skipSpace(file []byte, from int64) int64 {
	rest := file[from:]
	return from + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n,")))
}

func syntaxOffset(err error, otherwise int64) int64 {
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		return e.Offset
	}
	return otherwise
}

// mistakeOffset returns where in a fault the mistake is.
func mistakeOffset(raw []byte, err error) int64 {
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return e.Offset
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return int64(max(bytes.Index(raw, []byte(name)), 0))
	}
	return 0
}

// jsonError returns err in the words of the file.
func jsonError(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return fmt.Errorf("%s is %s, not a %s", cmp.Or(e.Field, "a fault"), kindOf(e.Type), e.Value)
	}
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return fmt.Errorf("a fault has no %s: it has %s", name, faultWords)
	}
	return err
}

// kindOf returns what a type is in JSON.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		if t == reflect.TypeFor[duration]() {
			return `a duration such as "1.5s"`
		}
		return "a whole number"
	case reflect.String:
		return "a string"
	}
	return "an object"
}

const faultWords = "method, path, depth, user, header, nth, after, times, optional, status, condition, description, setHeader, property, lock, " +
	"wire {delay, stall, trickle, reset, cut, malformed, contentLength, contentType, answer {status, header, body}, challenge, redirect, unavailable}"

// compile checks s and sets its methods and pattern. A fault that is complete must also do
// something.
func (s *faultSpec) compile(complete bool) (err error) {
	if s.methods, err = parseMethods(s.Method); err != nil {
		return err
	}
	if s.pattern, err = parsePattern(s.Path); err != nil {
		return err
	}
	for _, check := range []func() error{s.checkWhere, s.checkCounts, s.checkStatus, s.checkProperty, s.checkLock, s.checkWire} {
		if err := check(); err != nil {
			return err
		}
	}
	if complete && s.idle() {
		return errIdle
	}
	return nil
}

var errIdle = errors.New("it does nothing: give it a status, a lock or wire")

// idle reports whether the fault would do nothing.
func (s *faultSpec) idle() bool {
	return !s.inServer() && (s.Wire == nil || *s.Wire == wireSpec{})
}

// inServer reports whether the fault acts in the server, and not only on the wire.
func (s *faultSpec) inServer() bool { return s.Status != 0 || s.Lock != "" }

func (s *faultSpec) checkWhere() error {
	if s.Depth != "" && !slices.Contains(depths["PROPFIND"], s.Depth) {
		return fmt.Errorf("no Depth is %q: it is 0, 1 or infinity", s.Depth)
	}
	for _, m := range s.methods {
		if s.Depth != "" && !slices.Contains(depths[m], s.Depth) {
			return fmt.Errorf("%s has no Depth %s (RFC 4918 §9)", m, s.Depth)
		}
	}
	if strings.Contains(s.User, ":") {
		return fmt.Errorf("no user is called %q: a name in Basic credentials has no colon (RFC 7617 §2)", s.User)
	}
	return checkHeader(s.Header)
}

func (s *faultSpec) checkCounts() error {
	switch {
	case s.Nth != nil && *s.Nth < 1, s.Times != nil && *s.Times < 1:
		return errors.New("nth and times count from 1")
	case s.After < 0:
		return errors.New("after is a number of requests")
	case s.Nth != nil && (s.After > 0 || s.Times != nil):
		return errors.New("nth is one request: after and times do not go with it")
	}
	return nil
}

func (s *faultSpec) checkStatus() error {
	switch {
	case s.Status != 0 && (s.Status < 400 || s.Status > 599):
		return fmt.Errorf("the status of a failure is 400 to 599, not %d", s.Status)
	case s.Status == 0 && (s.Condition != "" || s.Description != "" || s.SetHeader != nil || s.Property != ""):
		return errors.New("condition, description, setHeader and property go with a status")
	case s.inServer() && slices.Contains(s.methods, "OPTIONS"):
		return errors.New("OPTIONS touches no resource: only wire can be for it")
	case s.Property != "" && s.SetHeader != nil:
		return errors.New("the status of a property is in a 207, which has no place for header fields: setHeader does not go with property")
	case s.Condition != "" && !isName(s.Condition):
		return fmt.Errorf("the condition %q is no name of an XML element", s.Condition)
	}
	return checkOwnHeader(s.SetHeader)
}

// checkHeader returns an error if no message has one of the fields.
func checkHeader(header map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is no name of a header field", name)
		}
		if !httpguts.ValidHeaderFieldValue(header[name]) {
			return fmt.Errorf("%q is no value of a header field", header[name])
		}
	}
	return nil
}

// checkOwnHeader is checkHeader for fields that an answer is to have.
func checkOwnHeader(header map[string]string) error {
	for name := range header {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Length", "Transfer-Encoding", "Connection":
			return fmt.Errorf("%s is not for a fault to set: wire has contentLength, cut and reset", name)
		}
	}
	return checkHeader(header)
}

// isName reports whether an element of XML can have the local name.
func isName(local string) bool {
	_, err := multistatus.AppendProperty(nil, &multistatus.Property{XMLName: xml.Name{Local: local}})
	return err == nil
}

// davProperties are the properties that "name" without a namespace can be.
var davProperties = []string{"creationdate", "displayname", "getcontentlanguage", "getcontentlength", "getcontenttype", "getetag",
	"getlastmodified", "lockdiscovery", "resourcetype", "supportedlock", "quota-available-bytes", "quota-used-bytes"}

func (s *faultSpec) checkProperty() error {
	if s.Property == "" {
		return nil
	}
	for _, m := range s.methods {
		if m != "PROPFIND" && m != "PROPPATCH" {
			return fmt.Errorf("only PROPFIND and PROPPATCH have properties, %s has none", m)
		}
	}
	if strings.HasPrefix(s.Property, "{") {
		if _, local, ok := strings.Cut(s.Property[1:], "}"); !ok || !isName(local) {
			return fmt.Errorf("%q is no property: write {namespace}name", s.Property)
		}
		return nil
	}
	if !slices.Contains(davProperties, s.Property) {
		return fmt.Errorf("WebDAV has no property %q: write {namespace}name for a property of your own; WebDAV has %s", s.Property, strings.Join(davProperties, ", "))
	}
	return nil
}

// propertyName returns the name of the property, which checkProperty has checked.
func (s *faultSpec) propertyName() xml.Name {
	if space, local, ok := strings.Cut(strings.TrimPrefix(s.Property, "{"), "}"); ok {
		return xml.Name{Space: space, Local: local}
	}
	return xml.Name{Space: multistatus.Namespace, Local: s.Property}
}

func (s *faultSpec) checkLock() error {
	switch s.Lock {
	case "":
		return nil
	case lockHeld, lockTaken, lockExpires:
	default:
		return fmt.Errorf("lock is held, taken or expires, not %q", s.Lock)
	}
	if s.Property != "" || s.Status != 0 {
		return errors.New("lock and status are two things: the server chooses the status of a locked resource")
	}
	for _, m := range s.methods {
		if readsOnly(m) {
			return fmt.Errorf("%s needs no lock", m)
		}
		if m == "UNLOCK" && s.Lock != lockExpires {
			return errors.New("UNLOCK is not stopped by a lock: only expires is for it")
		}
	}
	return nil
}

func (s *faultSpec) checkWire() error {
	if s.Wire == nil {
		return nil
	}
	if s.inServer() && s.Wire.prevents() {
		return errors.New("status and lock take a request that is executed: answer, challenge, redirect, unavailable and reset before do not go with them")
	}
	return s.Wire.check()
}

// duration is a time.Duration that is written as "1.5s".
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	if err != nil || parsed < 0 {
		return fmt.Errorf("%s is no duration such as %q", strconv.Quote(string(b)), "1.5s")
	}
	*d = duration(parsed)
	return nil
}
