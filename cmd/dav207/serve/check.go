package serve

import (
	"context"
	"fmt"
	"io"
	"os"
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
		return flags, func(_ context.Context, args []string, stdout, _ io.Writer) error {
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
				err = s.checkFiles()
			}
			if err != nil {
				return err
			}
			if asked {
				return s.explain(stdout, *as, args[1])
			}
			return s.print(stdout)
		}
	},
}

// checkFiles returns the first mistake in settings that can be found without serving.
func (o *settings) checkFiles() error {
	if _, err := o.check(nil); err != nil {
		return err
	}
	if _, err := o.policy(); err != nil {
		return err
	}
	if err := folders.CheckApart(o.file.Mounts); err != nil {
		return o.inFile(err)
	}
	dirs := o.dirs(nil)
	for _, dir := range dirs {
		files, err := openDisk(dir, nil)
		if err != nil {
			return err
		}
		files.Close()
	}
	if err := o.outsideAll(dirs); err != nil {
		return err
	}
	_, err := o.loginOptions.open(middleware.AuthOptions{})
	return err
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
	fmt.Fprintf(w, "%s and %s\n", cli.OneLine(who), cli.OneLine(p.String()))
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
	return nil
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
