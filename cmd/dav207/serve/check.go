package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
	"dav207/cmd/dav207/folders"
	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
	"dav207/server/middleware"
)

var CheckCommand = cli.Command{
	Name:  "check",
	Args:  " FILE [PATH]",
	About: "check a configuration file of serve, or say what a user may do",
	More: `It reports the first mistake in the file, or prints the configuration as a server would have it, with what comes from the
environment. With --as it says what that user may do with the resource at the URL path PATH, and which rule says so.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := cli.NewFlags("check")
		as := flags.String("as", "", "`NAME` of a user; guests are those without one")
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			asked := flags.Changed("as")
			switch {
			case len(args) == 0:
				return cli.Usagef("check takes the file to be checked")
			case asked && len(args) != 2:
				return cli.Usagef("check --as takes a file and the path of a resource such as /photos/x")
			case !asked && len(args) != 1:
				return cli.Usagef("check takes one file; --as NAME asks about a path")
			}
			s, err := readSettings([]config.Setting{{Name: "config", Value: args[0]}}, os.LookupEnv)
			if err == nil {
				err = s.inFile(s.checkFiles(ctx))
			}
			if err != nil {
				return err
			}
			for _, doubt := range s.doubts() {
				fmt.Fprintf(stderr, "dav207: a mistake? %s\n", cli.OneLine(doubt.Error()))
			}
			for _, name := range s.strays(os.Environ()) {
				fmt.Fprintf(stderr, "dav207: a mistake? no option has the environment variable %s\n", cli.OneLine(name))
			}
			if asked {
				return s.explain(stdout, *as, args[1])
			}
			return s.print(stdout)
		}
	},
}

// checkFiles returns the first mistake in settings that can be found without serving.
func (o *settings) checkFiles(ctx context.Context) error {
	if _, err := o.check(nil); err != nil {
		return err
	}
	if err := checkAddr(ctx, "--addr", o.addr); err != nil {
		return err
	}
	if o.monitor != "" {
		if err := checkAddr(ctx, "--monitor", o.monitor); err != nil {
			return err
		}
	}
	if _, err := o.policy(); err != nil {
		return err
	}
	if err := folders.CheckApart(o.file.Mounts); err != nil {
		return o.inFile(err)
	}
	dirs := folders.Dirs(o.file.Mounts) // without mounts it is the argument of serve
	if err := o.outsideAll(dirs); err != nil {
		return err
	}
	if err := o.tryDirs(dirs); err != nil {
		return err
	}
	if err := o.tryFiles(); err != nil {
		return err
	}
	return o.exposed(loopbackAddr(o.addr))
}

// tryFiles returns an error if a file that the settings name cannot be used.
func (o *settings) tryFiles() error {
	if o.state != "" && o.state != inMemory {
		if _, err := o.stateFile(""); err != nil {
			return err
		}
	}
	if _, err := o.loginOptions.open(middleware.AuthOptions{}); err != nil {
		return err
	}
	if !o.tls.selfSigned { // which would make a certificate
		if _, _, err := o.tls.open(o.addr, o.public, slog.New(slog.DiscardHandler)); err != nil {
			return err
		}
	}
	return o.askCertificates(new(tls.Config))
}

// print writes the settings in the form of a configuration file.
func (o *settings) print(w io.Writer) error {
	f := *o.file
	f.Flags = nil
	o.flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Name == "config" || flag.Hidden {
			return
		}
		for _, v := range values(flag) {
			if v == "" {
				continue
			}
			f.Flags = append(f.Flags, config.Setting{Name: flag.Name, Value: v})
		}
	})
	text, err := f.Format()
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// explain says what a user, or a guest if name is guests, may do with a resource.
func (o *settings) explain(w io.Writer, name, path string) error {
	p, err := davpath.Clean(path)
	if err != nil || !strings.HasPrefix(path, "/") {
		return cli.Usagef("%q is not a path such as /photos/x", path)
	}
	list, err := o.policy()
	if err != nil {
		return err
	}
	if list == nil {
		if list, err = rules.Compile([]rules.Rule{{Who: []string{"everybody"}, Allow: []string{"read", "write"}, Implied: true}}, nil); err != nil {
			return err
		}
	}
	who := name
	if name == "guests" || name == "" {
		name, who = "", "a guest"
		if o.guests.Value == noGuests {
			fmt.Fprintln(w, "guests are not let in: guests: none")
			return nil
		}
	}
	if name != "" && !o.knownUsers()(name) && o.loginOptions.given() {
		who += ", who is no user,"
	}
	fmt.Fprintf(w, "%s and %s\n", cli.OneLine(who), cli.OneLine(p.String()))
	o.explainEach(w, list, name, p)
	return nil
}

// explainEach writes a line for each privilege of a user, "" for guests.
func (o *settings) explainEach(w io.Writer, list *rules.List, name string, p davpath.Path) {
	groups := o.file.Memberships()[name]
	parent := list.Explain(name, groups, p.Parent())[access.Read]
	for _, d := range list.Explain(name, groups, p) {
		why, refused := o.reason(list, d), o.refusal(name, p, d.Privilege)
		if d.Privilege == access.Bind && parent.Hidden {
			refused = "the collection around it is hidden: " + o.reason(list, parent)
		}
		if d.Allowed && refused != "" {
			d.Allowed, why = false, refused
		}
		fmt.Fprintf(w, "  %-17s %-9s %s\n", d.Privilege, verdict(d), why)
	}
}

// refusal returns why a user may not do what the rules allow, "" if nothing else refuses it.
func (o *settings) refusal(user string, p davpath.Path, what access.Privilege) string {
	if o.readOnly && what != access.Read {
		return "read-only: true"
	}
	return folders.Refusal(o.file.Mounts, user, p, what)
}

func verdict(d rules.Decision) string {
	switch {
	case d.Hidden:
		return "hidden"
	case d.Allowed:
		return "allowed"
	}
	return "denied"
}

// reason returns the rule that decided.
func (o *settings) reason(list *rules.List, d rules.Decision) string {
	if d.Rule < 0 {
		return "no rule allows it"
	}
	r := list.Rule(d.Rule)
	where := ""
	if r.Implied {
		where = "implied: "
	} else {
		where = fmt.Sprintf("line %d: ", o.file.LineOf(list, d.Rule))
	}
	way := ""
	if d.OnTheWay {
		way = ", and this is on the way to it"
	}
	return where + cli.OneLine(r.String()) + way
}

// doubts returns what is allowed in a configuration and is likely a mistake: a rule or a group
// names a user whom no file of users has, or a rule is about a path that no mount has.
func (o *settings) doubts() (all []*config.Error) {
	doubt := func(line int, format string, args ...any) {
		all = append(all, &config.Error{File: o.config, Line: line, Err: fmt.Errorf(format, args...)})
	}
	known := o.knownUsers()
	for _, r := range o.file.Rules {
		for _, who := range r.Who {
			if !strings.HasPrefix(who, "@") && who != "guests" && who != "everybody" && !known(who) {
				doubt(r.Line, "the rule is for %q, which is the name of no user", who)
			}
		}
		if !slices.ContainsFunc(o.file.Mounts, func(m config.Mount) bool { return canMeet(m.At, r.Path) }) && len(o.file.Mounts) > 0 {
			doubt(r.Line, "the rule is about %s, where there is no mount", r.Path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.file.Groups)) {
		for _, user := range o.file.Groups[name] {
			if !known(user) {
				doubt(0, "the group %s has %q, which is the name of no user", name, user)
			}
		}
	}
	return all
}

// knownUsers returns a function that reports whether somebody of a name can log in. It is always
// true where others than the server know who can.
func (o *settings) knownUsers() func(name string) bool {
	var files []func(string) bool
	if o.users != "" {
		if users, err := middleware.OpenUsers(o.users, nil); err == nil {
			files = append(files, users.Has)
		}
	}
	if o.digestUsers != "" {
		if users, err := middleware.OpenDigestUsers(o.digestUsers, nil); err == nil {
			files = append(files, users.Has)
		}
	}
	return func(name string) bool {
		return o.authHeader != "" || o.clientCA != "" ||
			slices.ContainsFunc(files, func(has func(string) bool) bool { return has(name) })
	}
}

// canMeet reports whether the pattern of a rule can match something in a mount, or above it.
func canMeet(at, pattern string) bool {
	if pattern == "" {
		return true
	}
	mount := strings.FieldsFunc(at, func(r rune) bool { return r == '/' })
	for i, segment := range strings.Split(strings.Trim(pattern, "/"), "/") {
		switch {
		case i == len(mount) || segment == "**" || segment == "":
			return true
		case segment != "*" && segment != config.User && mount[i] != config.User && segment != mount[i]:
			return false
		}
	}
	return true
}

// strays returns the variables of the environment that are nearly those of flags: READONLY for
// READ_ONLY. Others that begin like them are somebody else's, as those that Kubernetes sets for a
// service that is called dav207.
func (o *settings) strays(environment []string) (all []string) {
	var names []string
	o.flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, variablePrefix)
		if near := config.Nearest(rest, names); ours && near != "" && name != variable(near) {
			all = append(all, name)
		}
	}
	return all
}
