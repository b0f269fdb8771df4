package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func isFlag(name string) bool { return name == "addr" || name == "public-url" || name == "read-only" }

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"comments", "# nothing\n---\n", ""},
		{"flags", "addr: 127.0.0.1:8080\npublic-url: [http://a/, http://b/]\nread-only: true\n", ""},
		{"a flag with a wrong kind", "addr: {a: b}\n", "file:1: addr is one value"},
		{"a flag without a value", "read-only: true\naddr:\n", "file:2: addr is one value"},
		{"unknown key", "addr: x\nadress: y\n", `file:2: there is no key "adress" here: it is one of groups, mounts`},
		{"a key twice", "addr: x\nread-only: true\naddr: y\n", "file:3: addr is in line 1, too"},
		{"a list", "- a\n", "file:1: a configuration is a mapping, with lines such as key: value"},
		{"a mount", "mounts:\n  /photos: /srv/photos\n  /: {dir: /srv, read-only: true, quota: 10GiB, user-quota: 500MB}\n", ""},
		{"a relative mount", "mounts:\n  photos: /srv/photos\n", `file:2: a mount is at a path such as /photos, not at "photos"`},
		{"a mount that ends with a slash", "mounts:\n  /photos/: /srv/photos\n", `file:2: a mount is at a path such as /photos, not at "/photos/"`},
		{"a mount twice", "mounts:\n  /a: x\n  /a: y\n", "file:3: /a is in line 2, too"},
		{"a mount without a directory", "mounts:\n  /a: {read-only: true}\n", "file:2: the mount /a has no dir, the directory that is served there"},
		{"unknown key of a mount", "mounts:\n  /a:\n    dir: x\n    readonly: true\n", `file:4: there is no key "readonly" here: it is one of dir, quota, read-only, user-quota`},
		{"no boolean", "mounts:\n  /a: {dir: x, read-only: perhaps}\n", "file:2: read-only is true or false"},
		{"no size", "mounts:\n  /a: {dir: x, quota: much}\n", "file:2: quota is a number of bytes, such as 500MB or 10GiB"},
		{"no bytes", "mounts:\n  /a: {dir: x, quota: 0}\n", "file:2: quota is from 1 byte to 4 EiB"},
		{"too many bytes", "mounts:\n  /a: {dir: x, quota: 99999999999TiB}\n", "file:2: quota is from 1 byte to 4 EiB"},
		{"groups", "groups:\n  family: [anna, ben]\n  empty: []\n", ""},
		{"a group that is no list", "groups:\n  family: anna\n", "file:2: the members of group family are a list, such as [anna, ben]"},
		{"an alias", "addr: &a x\npublic-url: *a\n", "file:2: public-url is one value"},
		{"two documents", "addr: x\n---\naddr: y\n", "file:2: a configuration is one document, without another after ---"},
		{"a list that does not end", "addr: x\npublic-url: [\n", "file:3: did not find expected node content"},
		{"a tab", "mounts:\n\t/a: x\n", "file:2: found character that cannot start any token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(name, isFlag)
			got := ""
			if err != nil {
				got = strings.Replace(err.Error(), name, "file", 1)
				if !errors.As(err, new(*Error)) {
					t.Errorf("%v is no *Error", err)
				}
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	f, err := Parse([]byte(`addr: 0.0.0.0:8080
public-url: [http://a/, http://b/]
mounts:
  /photos: /srv/photos
  /home:
    dir: /srv/home/{user}
    read-only: true
    quota: 10GiB
    user-quota: 500MB
groups:
  family: [anna, ben]
`), isFlag)
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Flags: []Setting{{"addr", "0.0.0.0:8080", 1}, {"public-url", "http://a/", 2}, {"public-url", "http://b/", 2}},
		Mounts: []Mount{
			{At: "/photos", Dir: "/srv/photos", Line: 4},
			{At: "/home", Dir: "/srv/home/{user}", ReadOnly: true, Quota: 10 << 30, UserQuota: 500e6, Line: 6},
		},
		Groups: map[string][]string{"family": {"anna", "ben"}},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mounts:\n  /a: {dir: x, quota: 1GiB}\ngroups: {a: [b]}\naddr: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse([]byte(text), isFlag); err != nil && !errors.As(err, new(*Error)) {
			t.Errorf("%v is no *Error", err)
		}
	})
}
