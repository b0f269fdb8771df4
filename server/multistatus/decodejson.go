package multistatus

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"dav207/server/davxml"
)

// DecodeJSON is Decode for a 207 in JSON (multistatus.schema.json). It returns what Decode returns
// for the same responses in XML, but for the namespace declarations of a property that is text
// alone. Its errors wrap ErrInvalid, or are those of r. It ignores unknown members.
func DecodeJSON(r io.Reader) ([]Response, error) {
	j, err := decodeJSON(r, (*jsonReader).document)
	if err != nil {
		return nil, err
	}
	if j.Kind != KindMultistatus {
		return nil, invalidf("there are no responses")
	}
	var out []Response
	for i := range j.Members {
		out = append(out, j.Members[i].Response)
	}
	return out, nil
}

// DecodeProblem reads the body of an error response in JSON (RFC 9457) and returns its status, its
// condition if there is one, and its detail as the description. Its errors are those of DecodeJSON.
func DecodeProblem(r io.Reader) (*Error, error) {
	e := &Error{}
	_, err := decodeJSON(r, func(j *jsonReader, v *jsonValue) {
		if v.kind != '{' {
			j.Add(ruleJSONValue, "", "a problem is an object")
		}
		if status := v.get("status"); status.kind != 0 {
			e.Status = j.status(status, "")
		}
		e.Condition, e.Description = j.condition(v, ""), v.get("detail").string()
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// decodeJSON reads a document with read. A finding is an error.
func decodeJSON(r io.Reader, read func(*jsonReader, *jsonValue)) (*jsonReader, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	j := &jsonReader{Report: &Report{}}
	v := j.parse(body)
	if len(j.Findings) == 0 {
		read(j, &v)
	}
	if len(j.Findings) > 0 {
		return nil, invalidf("%s", j.Findings[0])
	}
	return j, nil
}

// jsonValue is a value in JSON. It keeps the order of the members of an object.
type jsonValue struct {
	kind    byte   // '{', '[', 's' for a string, 'n' for a number, or 'l' for null, true and false
	text    string // of a string or a number; in JSON for 'l'
	names   []string
	members []jsonValue // of an object, by names, or of an array
}

// get returns the first of the members with these names that is there and not null.
func (v *jsonValue) get(names ...string) *jsonValue {
	for _, name := range names {
		for i, n := range v.names {
			if n == name && v.members[i].text != "null" {
				return &v.members[i]
			}
		}
	}
	return &jsonValue{}
}

// array returns the elements of an array, nil for another value.
func (v *jsonValue) array() []jsonValue {
	if v.kind == '[' {
		return v.members
	}
	return nil
}

// string returns the text of a string or a number, "" for another value.
func (v *jsonValue) string() string {
	if v.kind == 's' || v.kind == 'n' {
		return v.text
	}
	return ""
}

// content returns a value for people: a string as it is, others as JSON.
func (v *jsonValue) content() string {
	if v.kind != '{' && v.kind != '[' {
		return v.text
	}
	var b strings.Builder
	b.WriteByte(v.kind)
	for i := range v.members {
		if i > 0 {
			b.WriteByte(',')
		}
		if v.kind == '{' {
			b.WriteString(strconv.Quote(v.names[i]) + ":")
		}
		if m := &v.members[i]; m.kind == 's' {
			b.WriteString(strconv.Quote(m.text))
		} else {
			b.WriteString(m.content())
		}
	}
	b.WriteByte(v.kind + 2)
	return b.String()
}

// jsonParser parses JSON, and returns what comes before the fault beside an error.
type jsonParser struct {
	*json.Decoder
	twice string // the first name that an object has twice, "" for none
}

// maxNesting bounds the recursion of the parser and of content.
const maxNesting = 200

// value parses a value. depth is that of the value: of one that is cut the two outermost levels are
// returned without the element that is cut.
func (p *jsonParser) value(depth int) (v jsonValue, err error) {
	token, err := p.Token()
	if err != nil {
		return v, err
	}
	switch t := token.(type) {
	case string:
		return jsonValue{kind: 's', text: t}, nil
	case json.Number:
		return jsonValue{kind: 'n', text: t.String()}, nil
	case json.Delim:
		v.kind = byte(t)
		if depth > maxNesting {
			return v, errors.New("values nested too deeply")
		}
		err = p.members(&v, depth)
		return v, err
	}
	return jsonValue{kind: 'l', text: map[any]string{nil: "null", true: "true", false: "false"}[token]}, nil
}

// members parses the members of an object or of an array, and its end.
func (p *jsonParser) members(v *jsonValue, depth int) error {
	for p.More() {
		name := ""
		if v.kind == '{' {
			token, err := p.Token()
			if err != nil {
				return err
			}
			name, _ = token.(string)
		}
		member, err := p.value(depth + 1)
		if err != nil && depth > 0 {
			return err
		}
		if err == nil || member.kind == '[' { // the responses that came
			v.add(p, name, member)
		}
		if err != nil {
			return err
		}
	}
	_, err := p.Token()
	return err
}

func (v *jsonValue) add(p *jsonParser, name string, member jsonValue) {
	if v.kind == '{' {
		// Linear, for the objects of answers are small; a larger one is not checked.
		for i := 0; i < len(v.names) && len(v.names) < maxNesting; i++ {
			if v.names[i] == name && p.twice == "" {
				p.twice = name
			}
		}
		v.names = append(v.names, name)
	}
	v.members = append(v.members, member)
}

// jsonReader reads a report from JSON.
type jsonReader struct{ *Report }

// readJSON reads a body in JSON.
func (r *Report) readJSON(body []byte) {
	j := jsonReader{Report: r}
	v := j.parse(body)
	j.document(&v)
}

// parse parses a body, or what comes before the fault in it.
func (j *jsonReader) parse(body []byte) jsonValue {
	p := jsonParser{Decoder: json.NewDecoder(bytes.NewReader(body))}
	p.UseNumber()
	v, err := p.value(0)
	if err == nil {
		if _, err = p.Token(); err == io.EOF {
			err = nil
		} else {
			err = errors.New("something follows")
		}
	}
	switch {
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil:
		j.Add(ruleJSON, "", "near byte %d: %v", p.InputOffset(), err)
	case p.twice != "":
		j.Add(ruleJSON, "", "an object has %.60q twice", p.twice)
	}
	return v
}

// document reads the whole.
func (j *jsonReader) document(v *jsonValue) {
	if v.kind == '[' { // some batches are answered without an object around the items
		if len(v.members) > 0 && v.members[0].get("id", "index").string() != "" && v.members[0].get("status").string() != "" {
			j.items(v.members, "the array")
		}
		return
	}
	for _, name := range []string{"responses", "results"} {
		list := v.get(name)
		if list.kind == 0 {
			continue
		}
		if list.kind != '[' {
			j.Add(ruleJSONShape, "", "%s is no array", name)
		}
		j.Kind = KindMultistatus // an empty one
		if name == "results" {
			j.Kind = KindBatch
		}
		j.Description = v.get("description").string()
		j.items(list.array(), name)
		return
	}
	status, _ := strconv.Atoi(v.get("status").string())
	if v.get("error").kind != 0 || v.get("condition").kind != 0 || status >= 400 && v.get("title").kind != 0 {
		j.Kind = KindError
		j.Condition, j.Description = j.failure(v, "")
	}
}

// items reads responses, of resources or of the items of a batch.
func (j *jsonReader) items(list []jsonValue, name string) {
	seen := make(map[string]bool)
	for i := range list {
		item := &list[i]
		id := item.get("id", "index").string()
		switch {
		case item.kind != '{':
			j.Add(ruleJSONShape, "", "%s[%d] is no object", name, i)
		case id == "" && item.get("href").kind != 0, id == "" && len(item.get("propstats").array()) > 0:
			j.Members = append(j.Members, Member{Response: j.response(item, item.get("href").string())})
		case id == "":
			j.Kind = KindBatch
			j.Add(ruleJSONShape, "", "%s[%d] has neither an id nor an href", name, i)
			j.item(item, id)
		default:
			j.Kind = KindBatch
			if seen[id] {
				j.Add(ruleBatchTwice, id, "this is its second one")
			}
			seen[id] = true
			if item.get("id").kind == 0 && id != strconv.Itoa(i) {
				j.Add(ruleIndex, id, "it is result %d", i)
			}
			j.item(item, id)
		}
	}
}

// item adds the outcome of an item of a batch, or the members of the 207 in it.
func (j *jsonReader) item(item *jsonValue, id string) {
	m := Member{ID: id, Response: Response{Status: j.status(item.get("status"), id)}}
	m.Error, m.Description = j.failure(item, id)
	body := item.get("body", "data")
	if list := body.get("responses").array(); m.Status == 207 && len(list) > 0 {
		for i := range list {
			j.Members = append(j.Members, Member{ID: id, Response: j.response(&list[i], list[i].get("href").string())})
		}
		return
	}
	if m.Status >= 400 && m.Error == nil && m.Description == "" {
		m.Error, m.Description = j.failure(body, id)
	}
	j.Members = append(j.Members, m)
}

// response reads the outcome for a resource.
func (j *jsonReader) response(v *jsonValue, href string) Response {
	href = strings.Trim(href, whiteSpace)
	if href == "" {
		j.Add(ruleNoHref, "", "a response has none")
	}
	r := Response{Href: href}
	status, list := v.get("status"), v.get("propstats")
	if status.kind != 0 {
		r.Status = j.status(status, href)
	}
	switch has := len(list.array()) > 0; {
	case has && status.kind != 0:
		j.Add(ruleOutcome, href, "the response has both status and propstats")
	case !has && status.kind == 0:
		j.Add(ruleOutcome, href, "the response has neither status nor propstats")
	}
	for i := range list.array() {
		r.Propstat = append(r.Propstat, j.propstat(&list.members[i], href))
	}
	j.unique(href, r.Propstat)
	r.Error, r.Description = j.failure(v, href)
	return r
}

func (j *jsonReader) propstat(v *jsonValue, href string) Propstat {
	properties, status := v.get("properties"), v.get("status")
	if properties.kind != '{' || status.kind == 0 {
		j.Add(rulePropstat, href, "a propstat lacks its properties or its status")
	}
	ps := Propstat{Status: j.status(status, href)}
	for i, name := range properties.names {
		ps.Prop = append(ps.Prop, j.property(name, &properties.members[i], href))
	}
	ps.Error, ps.Description = j.failure(v, href)
	return ps
}

// property reads a property: a string, or an object with text or with an element.
func (j *jsonReader) property(name string, v *jsonValue, href string) Property {
	p := Property{XMLName: j.name(name, href), Lang: v.get("lang").string()}
	text, isXML := v.content(), v.get("xml").kind == 's'
	if v.kind != 's' && isXML == (v.get("text").kind == 's') {
		j.Add(ruleJSONValue, href, "the property %.60s is neither text nor XML", name)
	}
	switch {
	case isXML:
		e, err := davxml.Parse(strings.NewReader(v.get("xml").text), unbounded)
		if err == nil && e.Name == p.XMLName {
			return decodeProperty(e)
		}
		if err == nil {
			err = fmt.Errorf("it is the element %s", NameString(e.Name))
		}
		j.Add(ruleWellFormed, href, "the property %s: %v", name, err)
		text = v.get("xml").text
	case v.get("text").kind == 's':
		text = v.get("text").text
	}
	if text != "" {
		p.InnerXML = davxml.EscapeText(nil, text)
	}
	return p
}

// status reads a status: a number, or what is meant as one.
func (j *jsonReader) status(v *jsonValue, name string) int {
	n, err := strconv.Atoi(v.text)
	if v.kind == 'n' && err == nil && 100 <= n && n <= 999 {
		return n
	}
	if v.kind == 0 {
		j.Add(ruleBatchStatus, name, "it has none")
		return 0
	}
	j.Add(ruleBatchStatus, name, "it is %.60q", v.content())
	if m := anyStatus.FindStringSubmatch(v.string()); m != nil {
		return atoi(m[1])
	}
	return 0
}

// name reads the name of a property or a condition.
func (j *jsonReader) name(s, href string) xml.Name {
	n := ParseName(s)
	if checkName(n) != nil {
		j.Add(ruleJSONValue, href, "%.60q is no name", s)
	}
	return n
}

// condition reads the condition in an object, nil if there is none.
func (j *jsonReader) condition(v *jsonValue, href string) *Condition {
	name := v.get("condition").string()
	if name == "" {
		return nil
	}
	c := &Condition{Name: j.name(name, href)}
	for _, h := range v.get("hrefs").array() {
		root := strings.Trim(h.string(), whiteSpace)
		if root == "" {
			j.Add(ruleHrefEmpty, href, "a condition names no URL")
			continue
		}
		c.Hrefs = append(c.Hrefs, root)
	}
	return c
}

// failure returns the condition and the description of an object: those in it, as problem details
// have them (RFC 9457), or those in its error, as OData and other batches have it.
func (j *jsonReader) failure(v *jsonValue, name string) (c *Condition, description string) {
	description = v.get("description", "detail").string()
	e := v.get("error")
	if e.kind == 's' && description == "" {
		description = e.text
	}
	if c = j.condition(e, name); c == nil {
		c = j.condition(v, name)
	}
	if description == "" {
		code, message := e.get("code").string(), e.get("message", "detail", "title").string()
		description = strings.Trim(code+": "+message, ": ")
	}
	if description == "" && c == nil {
		description = v.get("title").string()
	}
	if e.kind == '{' && c == nil && description == "" {
		j.Add(ruleCondition, name, "an error names none")
	}
	return c, description
}
