package rules_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
)

func compile(t testing.TB, list ...rules.Rule) *rules.List {
	t.Helper()
	l, err := rules.Compile(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// parse parses a rule such as "allow read,bind to a,@b on /c of {DAV:}d" or "hide from a on /c".
func parse(line string) (r rules.Rule) {
	f := strings.Fields(line)
	if f[0] == "hide" {
		r.Hide = true
	} else if what := strings.Split(f[1], ","); f[0] == "allow" {
		r.Allow = what
	} else {
		r.Deny = what
	}
	for i := 1; i+1 < len(f); i++ {
		switch f[i] {
		case "to", "from":
			r.Who = strings.Split(f[i+1], ",")
		case "on":
			r.Path = f[i+1]
		case "of":
			r.Property = f[i+1]
		}
	}
	return r
}

func parseAll(lines string) (list []rules.Rule) {
	for line := range strings.SplitSeq(lines, ";") {
		list = append(list, parse(line))
	}
	return list
}

// as returns the context of a user, such as "ann" or "ann@staff"; "" is a guest.
func as(user string) context.Context {
	if user == "@staff" {
		return access.WithPrincipal(context.Background(), user)
	}
	name, group, ok := strings.Cut(user, "@")
	switch {
	case ok:
		return access.WithPrincipal(context.Background(), name, "others", group)
	case name != "":
		return access.WithPrincipal(context.Background(), name)
	}
	return context.Background()
}

// verdict is what a policy says.
func verdict(err error) string {
	switch {
	case err == nil:
		return "yes"
	case errors.Is(err, fs.ErrNotExist):
		return "hidden"
	case errors.Is(err, fs.ErrPermission):
		return "no"
	}
	return err.Error()
}

func TestLastMatchWins(t *testing.T) {
	const (
		family = "allow read to everybody; allow write to ann on /photos/**; hide from everybody on /diary; allow all to bob on /diary/**"
		homes  = "allow all to everybody on /home/{user}/**; deny all to guests on /home/**; allow read to @staff on /home/*/public/**"
		inbox  = "allow read to everybody; deny read to everybody on /inbox/*; allow bind to everybody on /inbox/*"
	)
	for _, tt := range []struct{ list, user, what, path, want string }{
		{family, "", "read", "/photos/a", "yes"},
		{family, "", "write-content", "/photos/a", "no"},
		{family, "ann", "write-content", "/photos/a", "yes"},
		{family, "ann", "lock", "/photos", "yes"}, // ** is no segment, too
		{family, "ann", "unlock", "/photos/a", "no"},
		{family, "ann", "write-content", "/photo", "no"},
		{family, "ann", "write-content", "/photosX/a", "no"},
		{family, "ann", "read", "/diary", "hidden"},
		{family, "ann", "bind", "/diary/x/y", "hidden"},
		{family, "bob", "unlock", "/diary/x", "yes"},
		{family, "everybody", "read", "/diary", "hidden"},
		{homes, "guests", "bind", "/home/guests/x", "yes"}, // a user of that name is no guest
		{homes, "@staff", "read", "/home/bob/public/x", "hidden"},

		{homes, "ann", "bind", "/home/ann/x", "yes"},
		{homes, "ann", "read", "/home", "yes"}, // on the way
		{homes, "ann", "read", "/", "yes"},
		{homes, "ann", "bind", "/home", "no"},
		{homes, "ann", "read", "/home/bob", "hidden"},
		{homes, "ann", "read", "/other", "hidden"},
		{homes, "", "read", "/home", "no"}, // visible: the rule says so
		{homes, "", "read", "/home/ann", "no"},
		{homes, "", "read", "/", "yes"}, // on the way that everybody has
		{homes, "ann@staff", "read", "/home/bob/public/x", "yes"},
		{homes, "ann@staff", "read", "/home/bob", "hidden"}, // after a wildcard nothing is on the way
		{homes, "ann@staffs", "read", "/home/bob/public/x", "hidden"},

		{inbox, "", "bind", "/inbox/x", "yes"},
		{inbox, "", "read", "/inbox/x", "no"},
		{inbox, "", "bind", "/inbox/x/y", "no"},
		{inbox, "", "read", "/inbox", "yes"},

		{"allow all to everybody; deny read to everybody on /", "ann", "read", "/", "no"},
		{"allow all to everybody; deny read to everybody on /", "ann", "read", "/a", "yes"},
		{"allow all to everybody; deny write to everybody on /**/old/*", "ann", "bind", "/a/b/old/c", "no"},
		{"allow all to everybody; deny write to everybody on /**/old/*", "ann", "bind", "/old/c", "no"},
		{"allow all to everybody; deny write to everybody on /**/old/*", "ann", "bind", "/old/c/d", "yes"},
		{"allow all to everybody; deny write to everybody on /**/old/*", "ann", "read", "/old/c", "yes"},
		{"allow all to everybody; hide from ann on /", "ann", "read", "/a", "hidden"},                    // what is below, too
		{"allow all to everybody; hide from ann,bob on /; allow read to ann", "ann", "bind", "/a", "no"}, // no longer hidden
		{"allow all to everybody", "ann", "unlock", "/", "yes"},
	} {
		list := compile(t, parseAll(tt.list)...)
		for p := access.Read; p <= access.Unlock; p++ {
			if p.String() == tt.what {
				if got := verdict(list.Check(as(tt.user), p, davpath.Must(tt.path))); got != tt.want {
					t.Errorf("%s\n%q %s %s: %s, want %s", tt.list, tt.user, tt.what, tt.path, got, tt.want)
				}
			}
		}
	}
}

func TestRulesForProperties(t *testing.T) {
	const list = "allow all to everybody; deny read to everybody of {x:}secret; hide from guests on /a/** of {x:}*; " +
		"deny write to everybody of {DAV:}displayname; allow all to ann of {x:}secret; allow all to everybody on /free/**"
	for _, tt := range []struct{ user, what, path, property, want string }{
		{"", "read", "/f", "{x:}secret", "no"},
		{"", "read", "/a/f", "{x:}secret", "hidden"},
		{"", "read", "/a/f", "{x:}other", "hidden"},
		{"", "write-properties", "/a/f", "{x:}other", "no"},
		{"bob", "read", "/a/f", "{x:}other", "yes"},
		{"bob", "read", "/f", "{DAV:}displayname", "yes"},
		{"bob", "write-properties", "/f", "{DAV:}displayname", "no"},
		{"ann", "read", "/f", "{x:}secret", "yes"},
		{"bob", "read", "/free/f", "{x:}secret", "yes"}, // the rule about the resource is the last
		{"bob", "read", "/f", "{X:}secret", "yes"},
	} {
		p := access.Read
		if tt.what != "read" {
			p = access.WriteProperties
		}
		space, local, _ := strings.Cut(tt.property[1:], "}")
		err := compile(t, parseAll(list)...).CheckProperty(as(tt.user), p, davpath.Must(tt.path), xml.Name{Space: space, Local: local})
		if got := verdict(err); got != tt.want {
			t.Errorf("%q %s %s of %s: %s, want %s", tt.user, tt.what, tt.property, tt.path, got, tt.want)
		}
	}
}

func TestIgnoreCase(t *testing.T) {
	list := parseAll("allow all to everybody; hide from everybody on /Straße/K; allow all to everybody on /Home/{user}/**; deny write to everybody of {x:}y on /P/*")
	for _, ignore := range []bool{false, true} {
		l, err := rules.Compile(list, &rules.Options{IgnoreCase: ignore})
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "hidden", false: "yes"}[ignore]
		for _, path := range []string{"/STRAßE/k", "/straße/\u212a"} { // the Kelvin sign is a K, too
			if got := verdict(l.Check(as("ann"), access.Read, davpath.Must(path))); got != want {
				t.Errorf("ignore %v: %s %s, want %s", ignore, path, got, want)
			}
		}
		want = map[bool]string{true: "no", false: "yes"}[ignore]
		if got := verdict(l.CheckProperty(as("ann"), access.WriteProperties, davpath.Must("/p/q"), xml.Name{Space: "x:", Local: "y"})); got != want {
			t.Errorf("ignore %v: property %s, want %s", ignore, got, want)
		}
		if d := l.Explain("ann", nil, davpath.Must("/home/ANN")); (d[0].Rule == 2) != ignore || d[0].OnTheWay {
			t.Errorf("ignore %v: %+v", ignore, d[0])
		}
	}
}

func TestCompileErrors(t *testing.T) {
	const first = "allow all to everybody; "
	for _, tt := range []struct{ list, want string }{
		{"allow read to everybody on photos", `rule 1: the path "photos" does not begin with a slash: want "/photos"`},
		{first + "deny write to everybody on /photos/", `rule 2: the path "/photos/" ends with a slash: want "/photos/**" for it and all below, or "/photos" for it alone`},
		{first + "deny wirte to ann", `rule 2: "wirte" is no privilege: want read, write-content`},
		{first + "deny write to ann on /*.jpg", `rule 2: "*.jpg": *, ** and {user} are whole segments`},
		{first + "deny write to ann on /{user}s", `rule 2: "{user}s": *, ** and {user} are whole segments`},
		{first + "deny write to ann on /{group}/x", `rule 2: "{group}": the only name in braces is {user}`},
		{first + "deny write to ann on /a//b", `rule 2: it can never match: "" is no segment`},
		{first + "deny write to ann on /a/../b", `rule 2: it can never match: ".." is no segment`},
		{first + "deny write to ann on /.dav207/x", `rule 2: it can never match: ".dav207" is the server's own`},
		{first + "deny write to guests on /home/{user}", `rule 2: it can never match: guests have no name`},
		{first + "deny bind to ann of {x:}y", `rule 2: it can never match: bind is not about a property`},
		{first + "deny read,bind to ann of {x:}y", `rule 2: it can never match: bind is not about a property`},
		{first + "deny read to ann of displayname", `rule 2: "displayname" is no name of a property: want {NAMESPACE}NAME`},
		{first + "deny read to ann of {DAV:}a*", `rule 2: "{DAV:}a*" is no name of a property`},
		{first + "deny read to ann of {DAV:}", `rule 2: "{DAV:}" is no name of a property`},
		{first + "deny read to ,", "rule 2: a name in who is empty"},
		{first + "deny read to @", "rule 2: a name in who is empty"},
		{first + "deny read on /a", "rule 2: who is missing"},
		{"allow read to ann on /a; deny all to everybody", "rule 1: it never decides: the later rule to"},
		{"allow read to ann on /a/*/{user}; hide from ann,bob on /a", "rule 1: it never decides: the later rule to"},
		{"allow read to everybody; deny read to ann of {x:}y on /a; allow read to ann,bob of {x:}* on /*", "rule 2: it never decides: the later rule to"},
		{"allow read to everybody; deny read to ann of {x:}y; allow all to everybody", "rule 2: it never decides: the later rule to"},
		{"deny read to ann on /a", "no rule allows anything, and what no rule matches is hidden"},
		{"allow read to everybody of {x:}y", "no rule allows anything"},
	} {
		_, err := rules.Compile(parseAll(tt.list), nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s\n got %v\nwant %s…", tt.list, err, tt.want)
		}
		number := 0
		if e := (*rules.Error)(nil); errors.As(err, &e) {
			number = e.Index + 1
		}
		if strings.HasPrefix(tt.want, "rule ") && !strings.HasPrefix(tt.want, fmt.Sprintf("rule %d:", number)) {
			t.Errorf("%s: the error has number %d", tt.list, number)
		}
	}
	for _, r := range []rules.Rule{{Who: []string{"a"}}, {Who: []string{"a"}, Allow: []string{"read"}, Hide: true},
		{Who: []string{"a"}, Allow: []string{"read"}, Deny: []string{"bind"}}} {
		if _, err := rules.Compile([]rules.Rule{r}, nil); err == nil || err.Error() != "rule 1: want one of allow, deny and hide" {
			t.Errorf("%+v: %v", r, err)
		}
	}
	// All that is wrong is said at once.
	_, err := rules.Compile(parseAll("allow x to everybody; allow all to everybody; deny all to ann on x"), nil)
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "rule 1: ") || !strings.HasPrefix(lines[1], "rule 3: ") {
		t.Errorf("got %v", err)
	}
	// These decide something, if little.
	for _, list := range []string{
		"allow all to ann on /a/**; deny all to @ann on /a/**",
		"allow read to everybody on /a/**; deny read to everybody on /a/*",
		"allow all to ann on /a; deny all to ann on /{user}",
		"allow read to ann; allow write to everybody", // of the same effect
		"allow read to ann on /a; allow read to everybody",
		"allow all to everybody; deny read to everybody of {x:}*; allow read to everybody of {x:}y",
		"allow all to everybody on /**/**/a/**/**",
	} {
		compile(t, parseAll(list)...)
	}
}

func TestExplain(t *testing.T) {
	l := compile(t, parseAll("allow read to everybody on /pub/x/**; allow write to @staff on /pub/**; hide from guests on /pub/x/y")...)
	for _, tt := range []struct{ user, path, want string }{
		{"", "/", "read+0way bind-none"},
		{"", "/pub/x", "read+0 bind-none"},
		{"", "/pub/x/y/z", "read hidden 2 bind hidden 2"},
		{"", "/other", "read hidden none bind hidden none"},
		{"ann@staff", "/pub/x/y", "read+0 bind+1"},
		{"ann@staff", "/pub/z", "read hidden none bind hidden none"}, // writing what cannot be seen is nothing
	} {
		name, _, _ := strings.Cut(tt.user, "@")
		var groups []string
		if name != "" {
			groups = []string{"staff"}
		}
		var got []string
		for _, d := range l.Explain(name, groups, davpath.Must(tt.path)) {
			if d.Privilege != access.Read && d.Privilege != access.Bind {
				continue
			}
			s := d.Privilege.String()
			switch {
			case d.Hidden:
				s += " hidden "
			case d.Allowed:
				s += "+"
			default:
				s += "-"
			}
			if d.Rule < 0 {
				s += "none"
			} else {
				s += fmt.Sprint(d.Rule)
			}
			if d.OnTheWay {
				s += "way"
			}
			got = append(got, s)
			if want := verdict(l.Check(as(tt.user), d.Privilege, davpath.Must(tt.path))); (want == "yes") != d.Allowed || (want == "hidden") != d.Hidden {
				t.Errorf("%q %s: Explain says %+v, Check %s", tt.user, tt.path, d, want)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%q %s: %s, want %s", tt.user, tt.path, g, tt.want)
		}
	}
	for i, want := range []string{"allow read to everybody on /pub/x/**", "allow write to @staff on /pub/**", "hide from guests on /pub/x/y"} {
		if got := l.Rule(i).String(); got != want {
			t.Errorf("rule %d is %q, want %q", i, got, want)
		}
	}
	r := rules.Rule{Who: []string{"a", "b"}, Deny: []string{"read", "write"}, Property: "{x:}y"}
	if got, want := r.String(), "deny read, write of {x:}y to a, b on /**"; got != want {
		t.Errorf("the rule is %q, want %q", got, want)
	}
}

var expressions = map[string]*regexp.Regexp{}

// naive reports by a regular expression whether a pattern matches a path.
func naive(pattern, user, path string) bool {
	if e := expressions[pattern+"\n"+user]; e != nil {
		return e.MatchString(strings.TrimSuffix(path, "/"))
	}
	if len(expressions) > 10_000 { // of a fuzz test
		clear(expressions)
	}
	var b strings.Builder
	b.WriteString("^")
	if pattern != "/" {
		for s := range strings.SplitSeq(pattern[1:], "/") {
			switch s {
			case "*":
				b.WriteString("/[^/]+")
			case "**":
				b.WriteString("(?:/[^/]+)*")
			case "{user}":
				if user == "" {
					return false
				}
				b.WriteString("/" + regexp.QuoteMeta(user))
			default:
				b.WriteString("/" + regexp.QuoteMeta(s))
			}
		}
	}
	expressions[pattern+"\n"+user] = regexp.MustCompile(b.String() + "$")
	return naive(pattern, user, path)
}

// FuzzPattern compares the trie, and the matcher for properties, with a regular expression.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"/", "/"}, {"/**", "/"}, {"/a/**", "/a"}, {"/a/**", "/ab"}, {"/**/a", "/b/a/a"}, {"/a/*/b", "/a/x/b"}, {"/{user}/*", "/ann/x"},
		{"/**/a/**/b/**", "/a/a/b/a/b/c"}, {"/*/**/*", "/a"}, {"/**/**", "/a/b"}, {"/a b/é", "/a b/é"}, {"/**/a/*/**/b", "/a/a/x/b/b"},
	} {
		f.Add(seed[0], seed[1], "ann")
		f.Add(seed[0], seed[1], "")
	}
	f.Fuzz(func(t *testing.T, pattern, name, user string) {
		path, err := davpath.Clean(name)
		if err != nil || pattern == "" || path.Reserved() || strings.Contains(pattern+path.String()+user, "\n") || !utf8.ValidString(pattern+path.String()+user) ||
			strings.HasPrefix(user, "@") || strings.Contains(user, "/") {
			return // "." of a regular expression does not match them, or no user has the name
		}
		property := xml.Name{Local: "p"}
		if _, err := rules.Compile([]rules.Rule{
			{Who: []string{"everybody"}, Allow: []string{"read"}},
			{Who: []string{"everybody"}, Deny: []string{"write-content"}, Path: pattern},
			{Who: []string{"everybody"}, Allow: []string{"write-content"}, Path: pattern},
			{Who: []string{"everybody"}, Deny: []string{"read"}, Path: pattern, Property: "{}p"},
		}, nil); err == nil {
			t.Fatalf("rule 3 is the last for all that rule 2 matches, and yet %q is compiled", pattern)
		}
		l, err := rules.Compile([]rules.Rule{
			{Who: []string{"everybody"}, Allow: []string{"read"}},
			{Who: []string{"everybody"}, Allow: []string{"write-content"}, Path: pattern},
			{Who: []string{"everybody"}, Deny: []string{"read"}, Path: pattern, Property: "{}p"},
		}, nil)
		if err != nil {
			return
		}
		want := naive(pattern, user, path.String())
		if got := l.Check(as2(user), access.WriteContent, path) == nil; got != want {
			t.Errorf("%q matches %q for %q: %v, want %v", pattern, path, user, got, want)
		}
		if got := l.CheckProperty(as2(user), access.Read, path, property) != nil; got != want {
			t.Errorf("%q of a property matches %q for %q: %v, want %v", pattern, path, user, got, want)
		}
	})
}

func as2(user string) context.Context { return access.WithPrincipal(context.Background(), user) }

// model decides as the documentation says, rule by rule.
func model(list []rules.Rule, user string, p access.Privilege, path string) string {
	decide := func(p access.Privilege) (allowed, hidden bool) {
		hidden = true
		for _, r := range list {
			name, group, _ := strings.Cut(user, "@")
			for _, w := range r.Who {
				if w != "everybody" && (w != "guests" || name != "") && (w != name || name == "") && (w != "@"+group || group == "") {
					continue
				}
				what := slices.Concat(r.Allow, r.Deny)
				privilege := r.Hide || slices.Contains(what, p.String()) || slices.Contains(what, "all") ||
					slices.Contains(what, "write") && p != access.Read && p != access.Unlock
				matches := naive(r.Path, name, path)
				if r.Hide {
					matches = matches || naive(strings.TrimSuffix(r.Path, "/")+"/**", name, path)
				}
				if r.Allow != nil && p == access.Read {
					segments := strings.Split(strings.TrimPrefix(r.Path, "/"), "/")
					for i := range segments {
						if !strings.Contains(strings.Join(segments[:i], "/"), "*") && segments[i] != "*" && segments[i] != "**" {
							matches = matches || naive("/"+strings.Join(segments[:i], "/"), name, path)
						}
					}
				}
				if privilege && matches {
					allowed, hidden = r.Allow != nil, r.Hide
				}
			}
		}
		return allowed, hidden
	}
	if _, hidden := decide(access.Read); hidden {
		return "hidden"
	}
	if allowed, _ := decide(p); allowed {
		return "yes"
	}
	return "no"
}

// TestAgainstModel compares random lists with the model, AllowsAll and AllowsSome with what Check
// says of every path below, and the claim that a rule never decides with the list without it.
func TestAgainstModel(t *testing.T) {
	var paths []string
	for _, a := range []string{"", "/a", "/b", "/ann"} {
		for _, b := range []string{"", "/a", "/b", "/ann"} {
			for _, c := range []string{"", "/a", "/x"} {
				for _, d := range []string{"", "/a", "/b"} {
					if p := a + b + c + d; !slices.Contains(paths, p) {
						paths = append(paths, p)
					}
				}
			}
		}
	}
	pick := func(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }
	whole, some, unused := 0, 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 13))
		list := []rules.Rule{}
		for range 1 + r.IntN(5) {
			path := "/"
			for i := range r.IntN(4) {
				if i > 0 {
					path += "/"
				}
				path += pick(r, "a", "b", "*", "**", "**", "{user}")
			}
			verb := pick(r, "allow", "allow", "allow", "deny", "hide")
			what := pick(r, "all", "all", "read", "write", "bind", "read,bind", "read,write")
			list = append(list, parse(fmt.Sprintf("%s %s to %s on %s", verb, what, pick(r, "everybody", "everybody", "ann", "@staff", "guests", "bob,guests"), path)))
		}
		l, err := rules.Compile(list, nil)
		if e := (*rules.Error)(nil); err != nil && errors.As(err, &e) && strings.Contains(err.Error(), "never decides") {
			without := slices.Delete(slices.Clone(list), e.Index, e.Index+1)
			for _, path := range paths { // but those on the way to its own
				for p := access.Read; p <= access.Unlock; p++ {
					if a, b := model(list, "ann@staff", p, path), model(without, "ann@staff", p, path); a != b && naive(list[e.Index].Path, "ann", path) {
						t.Fatalf("%v\nrule %d decides: %s %s is %s, without it %s", list, e.Index+1, p, path, a, b)
					}
				}
			}
			unused++
			continue
		}
		if err != nil {
			continue
		}
		for _, user := range []string{"", "ann", "bob@staff"} {
			said := map[string]string{}
			for _, path := range paths {
				for p := access.Read; p <= access.Unlock; p++ {
					got := verdict(l.Check(as(user), p, davpath.Must(path)))
					if want := model(list, user, p, path); got != want {
						t.Fatalf("%v\n%q %s %s: %s, want %s", list, user, p, path, got, want)
					}
					said[fmt.Sprint(p, path)] = got
				}
			}
			for _, path := range []string{"", "/a", "/ann", "/a/b", "/b/ann"} {
				refused, any := map[access.Privilege]bool{}, map[access.Privilege]bool{}
				for _, below := range paths {
					if below != path && !strings.HasPrefix(below, path+"/") {
						continue
					}
					for p := access.Read; p <= access.Unlock; p++ {
						yes := said[fmt.Sprint(p, below)] == "yes"
						refused[p] = refused[p] || !yes && below != path
						any[p] = any[p] || yes
					}
				}
				for p := range any {
					if got := l.AllowsAll(as(user), p, davpath.Must(path)); got && refused[p] {
						t.Fatalf("%v\n%q AllowsAll(%s, %s) is true", list, user, p, path)
					} else if got {
						whole++
					}
					if got := l.AllowsSome(as(user), p, davpath.Must(path)); !got && any[p] {
						t.Fatalf("%v\n%q AllowsSome(%s, %s) is false", list, user, p, path)
					} else if !got {
						some++
					}
				}
			}
		}
	}
	if whole < 100 || some < 500 || unused < 20 {
		t.Errorf("AllowsAll was true %d times, AllowsSome false %d times, and %d rules never decided: too few to mean something", whole, some, unused)
	}
}

// AllowsAll and AllowsSome are useful only if they find the common cases.
func TestSubtrees(t *testing.T) {
	const everything = "read write-content write-properties bind unbind lock unlock"
	const list = "allow read to everybody; allow all to ann on /ann/**; deny write to everybody on /ann/keep/**; hide from everybody on /x/y; allow all to bob"
	for _, tt := range []struct {
		user, path string
		all, some  string
	}{
		{"", "/", "", "read"},
		{"ann", "/", "", everything},
		{"ann", "/ann", "read unlock", everything},
		{"ann", "/ann/b", everything, everything},
		{"ann", "/ann/keep/x", "read unlock", "read unlock"},
		{"", "/ann", "read", "read"},
		{"", "/x/y", "", ""},
		{"", "/x/y/z", "", ""},
		{"bob", "/", everything, everything},
	} {
		l := compile(t, parseAll(list)...)
		var all, some []string
		for p := access.Read; p <= access.Unlock; p++ {
			if l.AllowsAll(as(tt.user), p, davpath.Must(tt.path)) {
				all = append(all, p.String())
			}
			if l.AllowsSome(as(tt.user), p, davpath.Must(tt.path)) {
				some = append(some, p.String())
			}
		}
		if got := strings.Join(all, " "); got != tt.all {
			t.Errorf("%q AllowsAll(%s): %q, want %q", tt.user, tt.path, got, tt.all)
		}
		if got := strings.Join(some, " "); got != tt.some {
			t.Errorf("%q AllowsSome(%s): %q, want %q", tt.user, tt.path, got, tt.some)
		}
	}
}

// BenchmarkCheck decides about a member of a collection for each member of which there is a rule.
func BenchmarkCheck(b *testing.B) {
	list := []rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}
	var paths []davpath.Path
	for i := range 1000 {
		path := fmt.Sprintf("/files/file-%06d.txt", i)
		paths = append(paths, davpath.Must(path))
		list = append(list, rules.Rule{Who: []string{"bob", "@staff"}, Deny: []string{"write-properties"}, Path: path})
	}
	l, ctx := compile(b, list...), as("ann@staff")
	listing, _ := l.ForListing(ctx)
	for name, ctx := range map[string]context.Context{"request": ctx, "listing": listing} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if l.Check(ctx, access.Read, paths[i%1000]) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}
