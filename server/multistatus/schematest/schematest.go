// Package schematest checks JSON against the schemas of this module, for tests. It knows the
// keywords of JSON Schema 2020-12 that they use; any other is an error.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Schema is a schema, or a part of one.
type Schema struct {
	root any // the document
	ref  string
}

// Read reads a schema. ref is the part to check against, such as "#/$defs/problem", or "#" for all.
func Read(file, ref string) (*Schema, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &Schema{ref: ref}
	if err := json.Unmarshal(text, &s.root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// Check returns an error that names the place if body is not JSON that conforms to the schema.
func (s *Schema) Check(body []byte) error {
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&value); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows the document")
	}
	return s.check(map[string]any{"$ref": s.ref}, value, "")
}

// check checks value against one schema.
func (s *Schema) check(schema, value any, at string) error {
	if allowed, ok := schema.(bool); ok {
		if !allowed {
			return fmt.Errorf("%s is not allowed", at)
		}
		return nil
	}
	keywords, ok := schema.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no schema", schema)
	}
	var errs []error
	for keyword, argument := range keywords {
		err := s.keyword(keywords, keyword, argument, value, at)
		if problem := problem(keyword, argument, value); problem != "" {
			err = fmt.Errorf("%s %s", at, problem)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// keyword checks value against a keyword that applies other schemas. One piece: a list of keywords.
func (s *Schema) keyword(schema map[string]any, keyword string, argument, value any, at string) error {
	object, _ := value.(map[string]any)
	array, _ := value.([]any)
	var errs []error
	switch keyword {
	case "$ref":
		target := s.root
		for name := range strings.SplitSeq(strings.TrimPrefix(argument.(string), "#"), "/") {
			if name != "" {
				target = target.(map[string]any)[name]
			}
		}
		return s.check(target, value, at)
	case "oneOf":
		matches := 0
		for _, one := range argument.([]any) {
			if err := s.check(one, value, at); err == nil {
				matches++
			} else {
				errs = append(errs, err)
			}
		}
		if matches == 1 {
			return nil
		}
		return errors.Join(append(errs, fmt.Errorf("%s matches %d of oneOf", at, matches))...)
	case "items":
		for i, item := range array {
			errs = append(errs, s.check(argument, item, fmt.Sprintf("%s/%d", at, i)))
		}
	case "properties":
		for name, sub := range argument.(map[string]any) {
			if v, ok := object[name]; ok {
				errs = append(errs, s.check(sub, v, at+"/"+name))
			}
		}
	case "additionalProperties":
		declared, _ := schema["properties"].(map[string]any)
		for name, v := range object {
			if _, ok := declared[name]; !ok {
				errs = append(errs, s.check(argument, v, at+"/"+name))
			}
		}
	case "propertyNames":
		for name := range object {
			errs = append(errs, s.check(argument, name, at+"/"+name))
		}
	}
	return errors.Join(errs...)
}

// problem checks value against a keyword that stands alone. It returns "" if it conforms.
//
// One piece: a list of keywords.
func problem(keyword string, argument, value any) string {
	number, isNumber := value.(float64)
	text, isText := value.(string)
	array, isArray := value.([]any)
	object, isObject := value.(map[string]any)
	bad := false
	switch keyword {
	case "$schema", "$id", "$defs", "title", "description", "$ref", "oneOf", "items", "properties", "additionalProperties", "propertyNames":
	case "type":
		is := map[string]bool{"object": isObject, "array": isArray, "string": isText, "boolean": reflect.TypeOf(value) == reflect.TypeFor[bool](),
			"number": isNumber, "integer": isNumber && number == math.Trunc(number), "null": value == nil}
		types, several := argument.([]any)
		if !several {
			types = []any{argument}
		}
		bad = !slices.ContainsFunc(types, func(t any) bool { return is[t.(string)] })
	case "required":
		for _, name := range argument.([]any) {
			if _, ok := object[name.(string)]; isObject && !ok {
				return fmt.Sprintf("lacks %q", name)
			}
		}
	case "enum":
		bad = !slices.ContainsFunc(argument.([]any), func(a any) bool { return reflect.DeepEqual(a, value) })
	case "const":
		bad = !reflect.DeepEqual(argument, value)
	case "pattern":
		bad = isText && !regexp.MustCompile(argument.(string)).MatchString(text)
	case "minLength":
		bad = isText && float64(utf8.RuneCountInString(text)) < argument.(float64)
	case "minItems":
		bad = isArray && float64(len(array)) < argument.(float64)
	case "minimum":
		bad = isNumber && number < argument.(float64)
	case "maximum":
		bad = isNumber && number > argument.(float64)
	default:
		return fmt.Sprintf("cannot be checked: the keyword %q is unknown here", keyword)
	}
	if bad {
		return fmt.Sprintf("is %v, want %s %v", value, keyword, argument)
	}
	return ""
}
