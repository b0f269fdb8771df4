package davheader

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"dav207/server/multistatus"
	"dav207/server/tree"
)

func TestHeaders(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		values  []string
		missing tree.Depth
		want    tree.Depth
		ok      bool
	}{
		{"§9.1 none", nil, tree.Infinity, tree.Infinity, true},
		{"§10.2", []string{"0"}, tree.Infinity, tree.Zero, true},
		{"§10.2", []string{"1"}, tree.Infinity, tree.One, true},
		{"in any case", []string{"Infinity"}, tree.Zero, tree.Infinity, true},
		{"another number", []string{"2"}, tree.Zero, 0, false},
		{"noroot is for PROPFIND", []string{"1,noroot"}, tree.Zero, 0, false},
		{"empty", []string{""}, tree.Zero, 0, false},
		{"two", []string{"0", "1"}, tree.Zero, 0, false},
	} {
		got, err := Depth(http.Header{"Depth": tt.values}, tt.missing)
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%s: Depth %q = %d, %v", tt.rule, tt.values, got, err)
		}
		if err != nil {
			badRequest(t, err)
		}
	}
	for value, want := range map[string]string{"0": "0 false", "1": "1 false", "Infinity": "-1 false", "1,noroot": "1 true",
		" 1 ,\tNoRoot ": "1 true", "INFINITY, noroot": "-1 true", "0,noroot": "400", ",noroot": "400", "noroot": "400", "1,": "400",
		"1,noroot,noroot": "400", "1,root": "400", "noroot,1": "400", "2,noroot": "400"} {
		d, noroot, err := PropfindDepth(http.Header{"Depth": {value}})
		got := fmt.Sprint(int(d), " ", noroot)
		if err != nil {
			got = fmt.Sprint(badRequest(t, err))
		}
		if got != want {
			t.Errorf("§9.1 Depth %q = %s, want %s", value, got, want)
		}
	}
	for value, want := range map[string]string{"<urn:uuid:a>": "urn:uuid:a", " <urn:uuid:a>\t": "urn:uuid:a", "urn:uuid:a": "urn:uuid:a",
		" opaquelocktoken:a ": "opaquelocktoken:a", "": "", "a": "", "/a": "", "\"urn:uuid:a\"": "", "urn:uuid:a>": "", "<urn:uuid:a": "",
		"urn:uuid:a urn:uuid:b": "", "<urn:uuid:a> urn:uuid:b": "", "urn:uuid:a#b": "", "urn:": "", "(<urn:uuid:a>)": ""} {
		if got, ok := LockToken([]string{value}); ok != (want != "") || ok && got != want {
			t.Errorf("§10.5 Lock-Token %q = %q, %v, want %q", value, got, ok, want)
		}
	}
	for value, want := range map[string]string{"T": "true", "F": "false", "t": "true", "f": "false", "": "400", "X": "400", "TF": "400"} {
		got, err := Overwrite(http.Header{"Overwrite": {value}})
		if err != nil && want == "400" && badRequest(t, err) == 400 {
			continue
		}
		if err != nil || (want == "true") != got {
			t.Errorf("§10.6 Overwrite %q = %v, %v, want %s", value, got, err, want)
		}
	}
	if got, err := Overwrite(http.Header{}); err != nil || !got {
		t.Errorf("§10.6 a missing Overwrite is T: got %v, %v", got, err)
	}
}

// badRequest returns the status of err, which must be 400.
func badRequest(t *testing.T, err error) int {
	t.Helper()
	if e := (*multistatus.Error)(nil); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Fatalf("error %v, want 400", err)
	}
	return http.StatusBadRequest
}
