package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dav207/server/access/rules"
)

var flags = []string{"addr", "public-url", "read-only"}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"comments", "# nothing\n---\n", ""},
		{"flags", "addr: 127.0.0.1:8080\npublic-url: [http://a/, http://b/]\nread-only: true\n", ""},
		{"a flag with a wrong kind", "addr: {a: b}\n", "file:1: addr is one value"},
		{"a flag without a value", "read-only: true\naddr:\n", "file:2: addr is one value"},
		{"unknown key", "read-only: true\nadd: y\n", `file:2: there is no key "add" here: it is one of groups, mounts, rules, or an option of serve; perhaps addr is meant`},
		{"a key in another spelling", "Read_Only: true\n", `file:1: there is no key "Read_Only" here: it is one of groups, mounts, rules, or an option of serve; perhaps read-only is meant`},
		{"a key like no other", "directory: x\n", `file:1: there is no key "directory" here: it is one of groups, mounts, rules, or an option of serve`},
		{"a group with an at", "groups:\n  '@family': [anna]\n", "file:2: a group is named without @ here: want family, and @ only in rules"},
		{"an at without quotes", "rules:\n- {who: @family, allow: read}\n", "file:2: found character that cannot start any token: lines begin with spaces, not tabs, and a value that begins with @ or % is in quotes"},
		{"a user without quotes", "mounts:\n  /home/{user}: {dir: home/{user}, quota: 1GB}\n", "file:2: did not find expected ',' or '}': a bracket is not closed, or a value with {user} in it is not in quotes"},
		{"no space after a colon", "addr:x\nread-only: true\n", "file:2: mapping values are not allowed in this context: in a line such as key: value there is a space after the colon"},
		{"no colon", "read-only: true\naddr x\n", "file:3: could not find expected ':': in a line such as key: value there is a space after the colon"},
		{"a mount of the server's own name", "mounts:\n  /a/.dav207: x\n", `file:2: the mount /a/.dav207: the name ".dav207" is reserved for the server`},
		{"a key twice", "addr: x\nread-only: true\naddr: y\n", "file:3: addr is in line 1, too"},
		{"a list", "- a\n", "file:1: a configuration is a mapping, with lines such as key: value"},
		{"a mount", "mounts:\n  /photos: /srv/photos\n  /: {dir: /srv, read-only: true, quota: 10GiB}\n", ""},
		{"a relative mount", "mounts:\n  photos: /srv/photos\n", `file:2: a mount is at a path such as /photos, not at "photos"`},
		{"a mount that ends with a slash", "mounts:\n  /photos/: /srv/photos\n", `file:2: a mount is at a path such as /photos, not at "/photos/"`},
		{"a mount twice", "mounts:\n  /a: x\n  /a: y\n", "file:3: /a is in line 2, too"},
		{"a mount without a directory", "mounts:\n  /a: {read-only: true}\n", "file:2: the mount /a has no dir, the directory that is served there"},
		{"unknown key of a mount", "mounts:\n  /a:\n    dir: x\n    readonly: true\n", `file:4: there is no key "readonly" here: it is one of dir, quota, read-only; perhaps read-only is meant`},
		{"no boolean", "mounts:\n  /a: {dir: x, read-only: perhaps}\n", "file:2: read-only is true or false"},
		{"no size", "mounts:\n  /a: {dir: x, quota: much}\n", "file:2: quota is a number of bytes, such as 500MB or 10GiB"},
		{"no bytes", "mounts:\n  /a: {dir: x, quota: 0}\n", "file:2: quota is from 1 byte to 4 EiB"},
		{"too many bytes", "mounts:\n  /a: {dir: x, quota: 99999999999TiB}\n", "file:2: quota is from 1 byte to 4 EiB"},
		{"groups", "groups:\n  family: [anna, ben]\n  empty: []\n", ""},
		{"a group that is no list", "groups:\n  family: anna\n", "file:2: the members of group family are a list, such as [anna, ben]"},
		{"each user's mount with one directory", "mounts:\n  /home/{user}: /srv/home\n", "file:2: the mount /home/{user} has one directory for all users: write {user} in the path of the directory, too"},
		{"one mount with a directory for each user", "mounts:\n  /home: /srv/home/{user}\n", "file:2: the mount /home has a directory for each user: write {user} in its own path, too, such as /home/{user}"},
		{"a user in a part of a segment", "mounts:\n  /home/{user}: /srv/home-{user}\n", "file:2: the mount /home/{user}: {user} is a whole segment of a path, once"},
		{"rules that are no list", "rules: {who: anna, allow: read}\n", "file:1: rules are a list, with items such as - {who: anna, allow: write, path: /photos/**}"},
		{"unknown key of a rule", "rules:\n- who: anna\n  allow: read\n  on: /\n", `file:4: there is no key "on" here: it is one of allow, deny, hide, path, property, who`},
		{"unknown privilege", "rules:\n- {who: anna, allow: read}\n- {who: anna, allow: delete}\n", `file:3: "delete" is no privilege: want read, write-content, write-properties, bind, unbind, lock, unlock, or write or all for several`},
		{"unknown group", "groups: {family: [anna]}\nrules:\n- {who: '@famly', allow: read}\n", `file:3: there is no group "famly": name its members under groups`},
		{"rule that never decides", "rules:\n- {who: anna, allow: read, path: /a}\n- {who: everybody, hide: true}\n- {who: ben, allow: read}\n",
			"file:2: it never decides: the later rule to hide from everybody on /** matches the same, and the last match wins; put it after that one"},
		{"an alias", "addr: &a x\npublic-url: *a\n", "file:2: public-url is one value"},
		{"two documents", "addr: x\n---\naddr: y\n", "file:2: a configuration is one document, without another after ---"},
		{"a list that does not end", "addr: x\npublic-url: [\n", "file:3: did not find expected node content"},
		{"a tab", "mounts:\n\t/a: x\n", "file:2: found character that cannot start any token: lines begin with spaces, not tabs, and a value that begins with @ or % is in quotes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(name, flags)
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
  /home/{user}:
    dir: /srv/home/{user}
    read-only: true
    quota: 10GiB
groups:
  family: [anna, ben]
rules:
  - {who: "@family", allow: write, path: /photos/**}
  - who: [guests, carl]
    hide: true
`), flags)
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Flags: []Setting{{"addr", "0.0.0.0:8080", 1}, {"public-url", "http://a/", 2}, {"public-url", "http://b/", 2}},
		Mounts: []Mount{
			{At: "/photos", Dir: "/srv/photos", Line: 4},
			{At: "/home/{user}", Dir: "/srv/home/{user}", ReadOnly: true, Quota: 10 << 30, Line: 6},
		},
		Groups: map[string][]string{"family": {"anna", "ben"}},
		Rules: []Rule{
			{Rule: rules.Rule{Who: []string{"@family"}, Allow: []string{"write"}, Path: "/photos/**"}, Line: 12},
			{Rule: rules.Rule{Who: []string{"guests", "carl"}, Hide: true}, Line: 13},
		},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
}

// What Format writes says the same.
func TestFormat(t *testing.T) {
	for _, text := range []string{
		"",
		"addr: 0.0.0.0:8080\npublic-url: [http://a/, http://b/]\nread-only: true\n",
		"addr: 'null'\npublic-url: ['', ' # x', '- y', \"a\\nb\"]\n",
		"mounts:\n  /a b: {dir: x, read-only: true}\n  /home/{user}: {dir: 'y/{user}', quota: 3KiB}\n",
		"groups: {family: [anna], empty: [], '~': ['1', 'true', 'null', '']}\n",
		"rules:\n- {who: ['@a', anna], allow: [read, write-properties], path: '/{user}/**', property: '{DAV:}*'}\n- {who: everybody, allow: read}\n- {who: carl, deny: write}\n- {who: '1', hide: true}\ngroups: {a: [b]}\n",
	} {
		want, err := Parse([]byte(text), flags)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		formatted, err := want.Format()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(formatted, flags)
		if err != nil {
			t.Errorf("%s is formatted as\n%s%v", text, formatted, err)
			continue
		}
		for _, f := range []*File{got, want} {
			for i := range f.Flags {
				f.Flags[i].Line = 0
			}
			for i := range f.Mounts {
				f.Mounts[i].Line = 0
			}
			for i := range f.Rules {
				f.Rules[i].Line = 0
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is formatted as\n%sgot  %+v\nwant %+v", text, formatted, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mounts:\n  /a: {dir: x, quota: 1GiB}\ngroups: {a: [b]}\naddr: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse([]byte(text), flags); err != nil && !errors.As(err, new(*Error)) {
			t.Errorf("%v is no *Error", err)
		}
	})
}
