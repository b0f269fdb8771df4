package middleware

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A hash of "secret" by Apache's htpasswd -B.
const htpasswdHash = "$2y$05$abcdefghijklmnopqrstuuDGqbGLR2EHhsR2XkEGQCs9nYDDYgXGe"

func TestParseUsers(t *testing.T) {
	h4, h5 := "$2a$04$"+strings.Repeat("a", 53), "$2b$05$"+strings.Repeat("a", 53)
	for _, tt := range []struct {
		rule, text string
		users      string // names
		err        string // "" for none; what the error holds
	}{
		{"one", "ann:" + h4 + "\n", "ann", ""},
		{"no end of line", "ann:" + h4, "ann", ""},
		{"each kind", "ann:" + h4 + "\nbob:" + h5 + "\ncy:" + htpasswdHash + "\ndi:$apr1$bNmlxCkM$wqjkW0jIqClfUS1xwYKod0\n", "ann,bob,cy,di", ""},
		{"comments and empty lines", "# ann:x\n\n  \nann:" + h4 + "\n", "ann", ""},
		{"Windows", "\ufeffann:" + h4 + "\r\nbob:" + h4 + " \r\n", "ann,bob", ""},
		{"UTF-8", "jürgen müller:" + h4, "jürgen müller", ""},
		{"nothing", "", "", "no user"},
		{"only comments", "# none\n", "", "no user"},
		{"no colon", "ann:" + h4 + "\nbob\n", "", "line 2: it is not a name"},
		{"no name", ":" + h4, "", "line 1: the name is empty"},
		{"a control character", "a\tb:" + h4, "", "line 1: the name"},
		{"not UTF-8", "a\xff:" + h4, "", "line 1: the name"},
		{"a long name", strings.Repeat("n", 256) + ":" + h4, "", "255 bytes"},
		{"twice", "ann:" + h4 + "\n#\nann:" + h5, "", `line 3: the user "ann" is already on line 1`},
		{"MD5", "#\nann:$apr1$secret$secret", "", `line 2: the password of "ann" is a malformed hash of Apache's MD5: set it again`},
		{"SHA-1", "ann:{SHA}secret", "", "SHA-1"},
		{"SHA-512 without end", "ann:$6$rounds=999999999$salt$" + strings.Repeat("a", 86), "", "line 1: the password of \"ann\" is hashed with the rounds 999999999"},
		{"plain", "ann:secret", "", "line 1: the password of \"ann\" is not hashed"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got, n, err := parseUsers([]byte(tt.text))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error = %v, want it to contain %q and no secret", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			names := strings.Split(tt.users, ",")
			for _, name := range names {
				if _, ok := got.hashes[name]; !ok {
					t.Errorf("%q is no user", name)
				}
			}
			if n != len(names) {
				t.Errorf("%d users, want %d", n, len(names))
			}
		})
	}
}

func TestSetUser(t *testing.T) {
	for _, tt := range []struct{ rule, before, name, after, err string }{
		{"the first", "", "ann", "ann:H\n", ""},
		{"another", "ann:1\n", "bob", "ann:1\nbob:H\n", ""},
		{"after a line without an end", "ann:1", "bob", "ann:1\nbob:H\n", ""},
		{"in its place", "# x\nann:1\nbob:2\n", "ann", "# x\nann:H\nbob:2\n", ""},
		{"at the end", "ann:1\nbob:2", "bob", "ann:1\nbob:H\n", ""},
		{"twice there", "ann:1\nbob:2\nann:3\n", "ann", "ann:H\nbob:2\n", ""},
		{"a name that begins like it", "anna:1\n", "ann", "anna:1\nann:H\n", ""},
		{"Windows", "\ufeffann:1\r\nbob:2\r\n", "ann", "\ufeffann:H\r\nbob:2\r\n", ""},
		{"what is no user stays", "ann\n\nbob:$apr1$\n", "bob", "ann\n\nbob:H\n", ""},
		{"no name", "", "", "", "empty"},
		{"a colon", "", "a:b", "", "colon"},
		{"a comment", "", "#a", "", "#"},
		{"a line", "", "a\nb", "", "control"},
	} {
		got, err := SetUser([]byte(tt.before), tt.name, "H")
		if string(got) != tt.after || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v, want %q, %q", tt.rule, got, err, tt.after, tt.err)
		}
	}
}

func TestHashPassword(t *testing.T) {
	h, err := HashPassword("pässword")
	if err != nil {
		t.Fatal(err)
	}
	text, err := SetUser(nil, "ann", h)
	if err != nil {
		t.Fatal(err)
	}
	users, _, err := parseUsers(text)
	if err != nil {
		t.Fatal(err)
	}
	if !users.hashes["ann"].Matches("pässword") {
		t.Error("the hash is not that of the password")
	}
}

func TestOpenUsers(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]error{filepath.Join(dir, "missing"): fs.ErrNotExist, dir: nil} {
		_, err := OpenUsers(name, nil)
		if system := (*fs.PathError)(nil); !errors.As(err, &system) || want != nil && !errors.Is(err, want) {
			t.Errorf("OpenUsers(%s) = %v, want an error of the system", name, err)
		}
	}
	u, err := OpenUsers(usersFile(t, "ann", "1", "bob", "2"), nil)
	if err != nil || u.Len() != 2 {
		t.Errorf("OpenUsers = %v, %v, want two users", u, err)
	}
}

// The file is read again only when it changes; the users stay the same while it is invalid.
func TestUsersReload(t *testing.T) {
	file := usersFile(t, "ann", "1")
	var l logBuffer
	u, err := OpenUsers(file, slog.New(slog.NewTextHandler(&l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var c clock
	c.now = time.Now().Add(time.Hour) // long after the last change
	u.now, u.checked, u.recent = c.Now, c.Now(), false
	has := func(rule, names string) {
		t.Helper()
		for _, name := range []string{"ann", "bob"} {
			if _, hash := u.current().find(name); (hash.String() != "") != strings.Contains(names, name) {
				t.Errorf("%s: the users are not %q", rule, names)
			}
		}
	}
	writeUsers(t, file, "ann", "1", "bob", "2")
	has("not checked again within 2 s", "ann")
	c.advance(checkInterval)
	has("a user more", "ann bob")

	logged := func(rule string, want int) {
		t.Helper()
		if n := strings.Count(l.String(), "level=ERROR"); n != want {
			t.Errorf("%s: %d log lines with errors, want %d\n%s", rule, n, want, l.String())
		}
	}
	for i, broken := range []func() error{
		func() error { return os.WriteFile(file, []byte("ann:secret"), 0o600) },
		func() error { return os.Truncate(file, 0) },
		func() error { return os.Remove(file) },
		func() error { return os.Mkdir(file, 0o700) },
	} {
		if err := broken(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.advance(checkInterval)
			has("a file that cannot be used", "ann bob")
		}
		logged("a file that cannot be used", i+1)
	}
	if strings.Contains(l.String(), "secret") {
		t.Errorf("log = %s", l.String())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeUsers(t, file, "bob", "2")
	c.advance(checkInterval)
	has("another file", "bob")
	logged("another file", 4)

	// Another file with the same size and time, as after a rename.
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(t.TempDir(), "next")
	writeUsers(t, next, "ann", "1")
	if err := os.Chtimes(next, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	c.advance(checkInterval)
	has("a file renamed over it", "ann")

	// A change without a new modification time, shortly after the one before.
	c.mu.Lock()
	c.now = time.Now()
	c.mu.Unlock()
	u.checked = time.Time{}
	writeUsers(t, file, "ann", "1")
	has("the same user", "ann")
	info, err = os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	writeUsers(t, file, "bob", "1")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	c.advance(checkInterval)
	has("a change of the same size in the same tick", "bob")
}
