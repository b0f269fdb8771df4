package rfc4918

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
)

// bare is a back end without fsbackend.Bulk, so that all is done one by one.
type bare struct{ fsbackend.Backend }

// A member of the source that cannot go over to a destination that is there. What is known
// beforehand of a MOVE changes nothing: the DELETE of the destination, which comes before the MOVE
// (RFC 4918 §9.9.3), is not for one that fails since a token was not submitted (§7.5) or that
// "errors on some of them prevented […] from taking place" (§9.9.4). What shows on the way, between
// two volumes, ends neither (§9.9.2), and what the destination had under that name is gone as all
// the rest. A COPY overwrites in place (§9.8.4): what it cannot replace stays. Whatever is there in
// the end has its own content and properties, and only what was there before and stays has its
// lock.
func TestMoveAndCopyOverWithAMemberThatCannotGo(t *testing.T) {
	before := strings.Fields("/ /c/ /c/a /c/d/ /c/d/x /c/m /c/z /f /t/ /t/a /t/d/ /t/d/old /t/d/x /t/m /t/s")
	const across = "across"
	for _, tt := range []struct {
		rule    string
		faults  string // separated by semicolons: a lock, a rule of the policy, an operation that fails, across
		request string // method, name, destination
		want    string
		left    string // NAME=NAME is what has the content of another; "" for all that was there
	}{
		{"§7.5 a member is locked", "lock /c/m", "MOVE /c/ /t/", "207 /c/m=423 lock-token-submitted", ""},
		{"§7.5 a nested member is locked", "lock /c/d/x", "MOVE /c/ /t/", "207 /c/d/x=423 lock-token-submitted", ""},
		{"§7.4 the membership of a member is locked", "lock0 /c/d/", "MOVE /c/ /t/", "207 /c/d/=423 lock-token-submitted", ""},
		{"§7.5 the destination is a file", "lock /c/m", "MOVE /c/ /f", "207 /c/m=423 lock-token-submitted", ""},
		{"§9.9.4 all that cannot go is told", "lock /c/a; deny unbind /c/d/x", "MOVE /c/ /t/",
			"207 /c/a=423 lock-token-submitted /c/d/x=403", ""},
		{"§9.9.4 the policy keeps a member", "deny unbind /c/m", "MOVE /c/ /t/", "207 /c/m=403", ""},
		{"§9.9.4 the policy keeps a collection", "deny unbind /c/d", "MOVE /c/ /t/", "207 /c/d/=403", ""},
		{"§9.9.4 the policy keeps a name free", "deny bind /t/z", "MOVE /c/ /t/", "207 /t/z=403", ""},
		{"§8.1 a hidden member is not named", "hide read /c/d/x; hide unbind /c/d/x", "MOVE /c/ /t/", "207 /c/d/=403", ""},
		{"§9.9.4 between two volumes, a member is locked", "across; lock /c/m", "MOVE /c/ /t/", "207 /c/m=423 lock-token-submitted", ""},
		{"§9.9.4 between two volumes, the disk is known to keep a member", "across; foresee /c/d/x; remove /c/d/x", "MOVE /c/ /t/",
			"207 /c/d/x=403", ""},
		{"§9.9.4 between two volumes, the disk is known to keep the collection", "across; foresee /c; remove /c", "MOVE /c/ /t/", "403", ""},
		{"§9.9.4 between two volumes, the disk is known to keep a file", "across; foresee /c/m; remove /c/m", "MOVE /c/m /t/m", "403", ""},

		{"§9.9.3 a member cannot be read on the way", "across; read /c/m", "MOVE /c/ /t/", "207 /c/m=403",
			"/ /c/ /c/m /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/z=/c/z"},
		{"§9.9.3 a member turns out to stay", "across; remove /c/m", "MOVE /c/ /t/", "207 /c/m=403",
			"/ /c/ /c/m /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/z=/c/z"},
		{"§9.9.3 a member cannot be written", "across; write /t/m", "MOVE /c/ /t/", "207 /t/m=403",
			"/ /c/ /c/m /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/z=/c/z"},
		{"§9.9.3 neither can a member be written nor the old one be removed", "across; write /t/m; remove /t/m", "MOVE /c/ /t/", "207 /t/m=403",
			"/ /c/ /c/m /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m /t/z=/c/z"},
		{"§9.9.2 a collection cannot be listed on the way", "across; readdir /c/d", "MOVE /c/ /t/", "207 /c/d/=403",
			"/ /c/ /c/d/ /c/d/x /f /t/ /t/a=/c/a /t/m=/c/m /t/z=/c/z"},
		{"§9.9.2 what was moved stays where its collection could not follow", "across; remove /c/d", "MOVE /c/ /t/", "207 /c/d/=403",
			"/ /c/ /c/d/ /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m=/c/m /t/z=/c/z"},
		{"§9.9.3 between two volumes, a locked member of the destination whose token is there goes", "across; own /t/m; read /c/m", "MOVE /c/ /t/",
			"207 /c/m=403", "/ /c/ /c/m /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/z=/c/z"},
		{"§7.5 a locked member of the destination whose token is there keeps its lock where nothing changes", "own /t/m; lock /c/m", "MOVE /c/ /t/",
			"207 /c/m=423 lock-token-submitted", ""},
		{"§9.9.3 all tokens are there", "own /c/m; own /t/s", "MOVE /c/ /t/", "204",
			"/ /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m=/c/m /t/z=/c/z"},
		{"§9.9.2 nothing is at the destination", "lock /c/m", "MOVE /c/ /new/", "207 /c/m=423 lock-token-submitted",
			"/ /c/ /c/m /f /new/ /new/a=/c/a /new/d/ /new/d/x=/c/d/x /new/z=/c/z /t/ /t/a /t/d/ /t/d/old /t/d/x /t/m /t/s"},

		{"§9.8.4 a member that cannot be read has its old counterpart", "read /c/m", "COPY /c/ /t/", "207 /c/m=403",
			"/ /c/ /c/a /c/d/ /c/d/x /c/m /c/z /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m /t/z=/c/z"},
		{"§9.8.4 a member that may not be read has its old counterpart", "deny read /c/m", "COPY /c/ /t/", "207 /c/m=403",
			"/ /c/ /c/a /c/d/ /c/d/x /c/m /c/z /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m /t/z=/c/z"},
		{"§9.8.4 a hidden member is none of the source's", "hide read /c/m", "COPY /c/ /t/", "204",
			"/ /c/ /c/a /c/d/ /c/d/x /c/m /c/z /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/z=/c/z"},
		{"§7.5.1 a lock on a member of the source is nothing to a COPY", "lock /c/m", "COPY /c/ /t/", "204",
			"/ /c/ /c/a /c/d/ /c/d/x /c/m /c/z /f /t/ /t/a=/c/a /t/d/ /t/d/x=/c/d/x /t/m=/c/m /t/z=/c/z"},
	} {
		for _, b := range append(slices.Clone(harness.Backends),
			harness.Backend{Name: "afero", Open: func(testing.TB) (fsbackend.Backend, string) { return fsbackend.New(afero.NewMemMapFs()), "" }},
			harness.Backend{Name: "afero over memory", Open: func(testing.TB) (fsbackend.Backend, string) {
				return fsbackend.New(struct{ afero.Fs }{memory.New(nil)}), "" // without its method Backend
			}},
			harness.Backend{Name: "bare", Open: func(testing.TB) (fsbackend.Backend, string) {
				return bare{memory.New(nil).Backend()}, ""
			}},
		) {
			t.Run(harness.NoSlash(tt.rule+" "+b.Name), func(t *testing.T) {
				inner, dir := b.Open(t)
				files, rules, opts := faultfs.New(inner), &harness.Rules{}, &server.Options{}
				if strings.Contains(tt.faults, "deny ") || strings.Contains(tt.faults, "hide ") {
					opts.Policy = rules
				}
				s := harness.Serve(t, files, opts)
				for _, name := range before[1:] {
					if strings.HasSuffix(name, "/") {
						s.Want(201, "MKCOL", name, "")
						continue
					}
					s.Want(201, "PUT", name, name)
					s.Want(207, "PROPPATCH", name, `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">born `+name+`.</mark></prop></set></propertyupdate>`)
				}
				request := strings.Fields(tt.request)
				header := []string{"Destination", "dest:" + request[2]}
				var tokens string
				locked := map[string]bool{}
				for f := range strings.SplitSeq(tt.faults, ";") {
					f = strings.TrimSpace(f)
					what, name, _ := strings.Cut(f, " ")
					switch what {
					case across:
						for _, n := range []string{request[1], path.Join(request[1], "**")} {
							files.Fail(faultfs.Rename, strings.TrimSuffix(n, "/"), syscall.EXDEV)
						}
					case "lock", "lock0":
						depth := "infinity"
						if what == "lock0" {
							depth = "0"
						}
						s.Lock(name, depth)
						locked[name] = true
					case "own":
						tokens += fmt.Sprintf("<%s> (<%s>) ", s.At(name), s.Lock(name, "infinity"))
						locked[name] = true
					case "deny", "hide":
						if err := rules.Add(f); err != nil {
							t.Fatal(err)
						}
					default:
						op := map[string]faultfs.Op{"foresee": faultfs.Undeletable, "read": faultfs.Read, "remove": faultfs.Remove,
							"write": faultfs.Write, "readdir": faultfs.Readdir}[what]
						files.Fail(op, name, syscall.EACCES)
						if what == "write" { // where it is written under another name
							files.Fail(faultfs.Rename, name, syscall.EACCES)
						}
					}
				}
				if tokens != "" {
					header = append(header, "If", tokens)
				}
				if got := harness.OneLine(t, s.Do(request[0], request[1], "", header...)); got != tt.want {
					t.Errorf("%s = %s, want %s", tt.request, got, tt.want)
				}
				*rules = harness.Rules{}
				files.Reset()
				want := map[string]string{}
				for _, entry := range strings.Fields(tt.left) {
					name, from, ok := strings.Cut(entry, "=")
					if want[name] = name; ok {
						want[name] = from
					}
				}
				if tt.left == "" {
					for _, name := range before {
						want[name] = name
					}
				}
				if got := s.Tree("/"); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
					t.Fatalf("there is %q, want %q", got, slices.Sorted(maps.Keys(want)))
				}
				for name, from := range want {
					if strings.HasSuffix(name, "/") {
						continue
					}
					if got := s.Want(200, "GET", name, "").Body; got != from {
						t.Errorf("%s holds %q, want %q", name, got, from)
					}
					props := s.Want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`, "Depth", "0")
					if !strings.Contains(props.Body, "born "+from+".<") {
						t.Errorf("%s has other properties than those of %s: %s", name, from, props.Body)
					}
				}
				for name := range locked {
					status := 423
					switch from, there := want[name]; {
					case !there && want[path.Dir(name)+"/"] == "":
						status = 409
					case !there:
						status = 201
					case from != name:
						status = 204
					case strings.HasSuffix(name, "/"):
						name += "new"
					}
					s.Want(status, "PUT", name, "new")
				}
				harness.NoTemps(t, dir)
			})
		}
	}
}
