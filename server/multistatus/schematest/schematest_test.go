package schematest

import (
	"os"
	"path/filepath"
	"testing"
)

// JSON Schema 2020-12: each keyword accepts what it should, and refuses what it should.
func TestCheck(t *testing.T) {
	for _, tt := range []struct{ schema, good, bad string }{
		{`{"type":"object"}`, `{}`, `[]`},
		{`{"type":"integer"}`, `1.0`, `1.5`},
		{`{"type":["string","null"]}`, `null`, `true`},
		{`{"type":"boolean"}`, `true`, `0`},
		{`{"required":["a"]}`, `{"a":null}`, `{"b":1}`},
		{`{"properties":{"a":{"type":"string"}}}`, `{"b":1}`, `{"a":1}`},
		{`{"properties":{"a":true},"additionalProperties":false}`, `{"a":1}`, `{"a":1,"b":1}`},
		{`{"additionalProperties":{"type":"string"}}`, `{"a":""}`, `{"a":1}`},
		{`{"propertyNames":{"pattern":"^a"}}`, `{"ab":1}`, `{"ba":1}`},
		{`{"items":{"enum":[1,2]}}`, `[1,2]`, `[1,3]`},
		{`{"minItems":1}`, `[1]`, `[]`},
		{`{"const":{"a":[1]}}`, `{"a":[1]}`, `{"a":[2]}`},
		{`{"minLength":2}`, `"äö"`, `"ä"`},
		{`{"minimum":1,"maximum":2}`, `2`, `3`},
		{`{"oneOf":[{"type":"integer"},{"minimum":3}]}`, `3.5`, `4`},
		{`{"oneOf":[{"type":"string"},{"type":"object"}]}`, `""`, `1`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`, `""`, `1`},
		{`{"type":"object","properties":{"a":{"uniqueItems":true}}}`, `{}`, `{"a":[1]}`}, // an unknown keyword
		{`{}`, `1`, `1 2`},
		{`{}`, `1`, `{`},
	} {
		file := filepath.Join(t.TempDir(), "schema.json")
		if err := os.WriteFile(file, []byte(tt.schema), 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := Read(file, "#")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check([]byte(tt.good)); err != nil {
			t.Errorf("%s refuses %s: %v", tt.schema, tt.good, err)
		}
		if s.Check([]byte(tt.bad)) == nil {
			t.Errorf("%s accepts %s", tt.schema, tt.bad)
		}
	}
}
