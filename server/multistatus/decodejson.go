package multistatus

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"dav207/server/davxml"
)

// DecodeJSON is Decode for a 207 in JSON (multistatus.schema.json). It returns what Decode returns
// for the same responses in XML, but for the namespace declarations of a property that is text
// alone. Its errors wrap ErrInvalid, or are those of r. It ignores unknown members.
func DecodeJSON(r io.Reader) ([]Response, error) {
	var out []Response
	err := decodeDocument(r, func(d *jsonDecoder) error {
		seen := false
		err := d.object(func(name string) (err error) {
			if name != "responses" {
				return d.skip()
			}
			seen = true
			return d.array(func() error {
				response, err := d.response()
				out = append(out, response)
				return err
			})
		})
		if err == nil && !seen {
			err = invalidf("there are no responses")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DecodeProblem reads the body of an error response in JSON (RFC 9457) and returns its status, its
// condition if there is one, and its detail as the description. Its errors are those of DecodeJSON.
func DecodeProblem(r io.Reader) (*Error, error) {
	e := &Error{}
	err := decodeDocument(r, func(d *jsonDecoder) error {
		var c jsonCondition
		err := d.object(func(name string) error {
			switch name {
			case "status":
				return d.status(&e.Status)
			case "detail":
				return d.value(&e.Description)
			}
			return c.member(d, name)
		})
		if err == nil {
			e.Condition, err = c.condition()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// jsonDecoder decodes with json.Decoder, token by token: the order of the properties and a name
// that occurs twice would be lost in a map.
type jsonDecoder struct{ *json.Decoder }

func decodeDocument(r io.Reader, decode func(*jsonDecoder) error) error {
	failing := &failingReader{r: r}
	d := &jsonDecoder{json.NewDecoder(failing)}
	err := decode(d)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("something follows the document")
	}
	switch {
	case failing.err != nil:
		return failing.err
	case errors.Is(err, ErrInvalid):
		return err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// failingReader keeps the error of r, which is not a fault of the document.
type failingReader struct {
	r   io.Reader
	err error
}

func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// open reads the beginning of an object or of an array.
func (d *jsonDecoder) open(want json.Delim) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = invalidf("%v stands where %v should begin", token, want)
	}
	return err
}

// object reads an object and calls member for each of its members. A name must not occur twice.
func (d *jsonDecoder) object(member func(name string) error) error {
	if err := d.open('{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name := token.(string) // json.Decoder accepts nothing else
		if seen[name] {
			return invalidf("an object has %q twice", name)
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// array reads an array. It calls item for each item.
func (d *jsonDecoder) array(item func() error) error {
	if err := d.open('['); err != nil {
		return err
	}
	for d.More() {
		if err := item(); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// value decodes a value, which must not be null.
func (d *jsonDecoder) value(into any) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	if string(raw) == "null" {
		return invalidf("null stands for a value")
	}
	return json.Unmarshal(raw, into)
}

func (d *jsonDecoder) skip() error {
	var raw json.RawMessage
	return d.Decode(&raw)
}

func (d *jsonDecoder) status(status *int) error {
	err := d.value(status)
	if err == nil && (*status < 100 || *status > 999) {
		err = invalidf("%d is no status", *status)
	}
	return err
}

func (d *jsonDecoder) response() (r Response, err error) {
	err = d.object(func(name string) (err error) {
		switch name {
		case "href":
			err = d.value(&r.Href)
			r.Href = strings.Trim(r.Href, whiteSpace)
		case "status":
			err = d.status(&r.Status)
		case "propstats":
			err = d.array(func() error {
				ps, err := d.propstat()
				r.Propstat = append(r.Propstat, ps)
				return err
			})
		case "error":
			r.Error, err = d.condition()
		case "description":
			err = d.value(&r.Description)
		default:
			err = d.skip()
		}
		return err
	})
	switch {
	case err != nil:
	case r.Href == "":
		err = invalidf("a response has no href")
	case r.Status == 0 && len(r.Propstat) == 0:
		err = invalidf("the response for %s has neither status nor propstats", r.Href)
	case r.Status != 0 && len(r.Propstat) > 0:
		err = invalidf("the response for %s has both status and propstats", r.Href)
	default:
		err = checkUnique(r.Href, r.Propstat)
	}
	return r, err
}

func (d *jsonDecoder) propstat() (ps Propstat, err error) {
	properties := false
	err = d.object(func(name string) (err error) {
		switch name {
		case "status":
			err = d.status(&ps.Status)
		case "properties":
			properties = true
			err = d.object(func(name string) error {
				p, err := d.property(name)
				ps.Prop = append(ps.Prop, p)
				return err
			})
		case "error":
			ps.Error, err = d.condition()
		case "description":
			err = d.value(&ps.Description)
		default:
			err = d.skip()
		}
		return err
	})
	if err == nil && (!properties || ps.Status == 0) {
		err = invalidf("a propstat lacks its properties or its status")
	}
	return ps, err
}

// property decodes the value of the property with that name: a string, or an object with text or
// with an element.
func (d *jsonDecoder) property(name string) (Property, error) {
	n, err := parseName(name)
	if err != nil {
		return Property{}, err
	}
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return Property{}, err
	}
	var v struct{ Text, XML, Lang *string }
	if raw[0] == '"' {
		err = json.Unmarshal(raw, &v.Text)
	} else {
		err = json.Unmarshal(raw, &v)
	}
	switch {
	case err != nil:
		return Property{}, err
	case (v.Text == nil) == (v.XML == nil):
		return Property{}, invalidf("the property %s is neither text nor XML", name)
	case v.Text != nil:
		p := Property{XMLName: n}
		if *v.Text != "" {
			p.InnerXML = davxml.EscapeText(nil, *v.Text)
		}
		if v.Lang != nil {
			p.Lang = *v.Lang
		}
		return p, nil
	}
	e, err := davxml.Parse(strings.NewReader(*v.XML), unbounded)
	if err == nil && e.Name != n {
		err = invalidf("the property %s holds the element %s", name, e.Name.Local)
	}
	if err != nil {
		return Property{}, err
	}
	return decodeProperty(e), nil
}

// jsonCondition is the members of a condition.
type jsonCondition struct {
	name  string
	hrefs []string
}

// member decodes the value of a member, and skips one that is none of a condition.
func (c *jsonCondition) member(d *jsonDecoder, name string) error {
	switch name {
	case "condition":
		return d.value(&c.name)
	case "hrefs":
		return d.value(&c.hrefs)
	}
	return d.skip()
}

// condition returns nil if there is none.
func (c *jsonCondition) condition() (*Condition, error) {
	if c.name == "" {
		return nil, nil
	}
	n, err := parseName(c.name)
	if err != nil {
		return nil, err
	}
	for i, h := range c.hrefs {
		if c.hrefs[i] = strings.Trim(h, whiteSpace); c.hrefs[i] == "" {
			return nil, invalidf("a condition names no URL")
		}
	}
	return &Condition{Name: n, Hrefs: c.hrefs}, nil
}

func (d *jsonDecoder) condition() (*Condition, error) {
	var c jsonCondition
	err := d.object(func(name string) error { return c.member(d, name) })
	if err == nil && c.name == "" {
		err = invalidf("an error names no condition")
	}
	if err != nil {
		return nil, err
	}
	return c.condition()
}

// parseName parses a name as appendJSONName writes it.
func parseName(s string) (xml.Name, error) {
	n := dav(s)
	if space, ok := strings.CutPrefix(s, "{"); ok {
		i := strings.LastIndexByte(space, '}') // a local name has none
		if i < 0 {
			return n, invalidf("%q is no name", s)
		}
		n = xml.Name{Space: space[:i], Local: space[i+1:]}
	}
	if err := checkName(n); err != nil {
		return n, invalidf("%q is no name", s)
	}
	return n, nil
}
