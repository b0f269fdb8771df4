package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/term"

	"dav207/cmd/dav207/cli"
	"dav207/server/davtest"
	"dav207/server/multistatus"
	"dav207/server/multistatus/inspect"
)

var inspectCommand = cli.Command{
	Name:  "inspect",
	Args:  " [-] [URL]",
	About: "judge the answer of any server to a request, or a saved one",
	More: `It sends a request to URL, a PROPFIND by default, and prints the request, the answer, each resource with its status, and what is
wrong with it. With "-", or without URL, it reads an answer from standard input, as curl -i writes it or the body alone; URL and the
flags of the request then say what it answers. The exit status is 0 if all is well, 3 if the request or a member failed, 4 if the
answer breaks the protocol, 5 if there was no whole answer, and 2 for a mistake on the command line.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		var o inspectOptions
		flags := cli.NewFlags("inspect")
		flags.StringVarP(&o.method, "request", "X", "", "`METHOD` of the request. Default: PROPFIND, with Depth: 1, or POST with --data")
		flags.StringArrayVarP(&o.headers, "header", "H", nil, "`FIELD` of the request, as NAME: VALUE. NAME: takes a default away, NAME; is empty. May be given more than once")
		flags.StringVarP(&o.data, "data", "d", "", "`BODY` of the request; @FILE reads a file as it is, @- standard input")
		flags.StringVar(&o.props, "props", "", "`NAMES` of properties for PROPFIND, with commas; one that is not WebDAV's own is {NAMESPACE}NAME")
		flags.StringVarP(&o.user, "user", "u", "", "`NAME[:PASSWORD]` for Basic authentication. Without a password it is asked for")
		flags.IntVar(&o.expect, "expect", 0, "`STATUS` of the answer that is right: with any other the request has failed")
		flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "`TIME` until the end of the answer at most. 0 is no limit")
		flags.DurationVar(&o.every, "every", 0, "sends the request again and again, with this `TIME` in between, and prints a line for each answer")
		flags.BoolVar(&o.suite, "suite", false, "send a set of requests that change nothing, and print a table of what the server supports")
		flags.BoolVar(&o.json, "json", false, "print the judgement as a line of JSON")
		flags.BoolVar(&o.raw, "raw", false, "print the answer as curl -i does")
		flags.BoolVar(&o.har, "har", false, "print the exchange as an HTTP Archive")
		flags.BoolVar(&o.curl, "curl", false, "print the command of curl that sends the same request, and send nothing")
		flags.BoolVar(&o.secrets, "show-credentials", false, "print credentials with --json, --har and --curl, too")
		return flags, o.run
	},
}

// inspectOptions are the flags of the command.
type inspectOptions struct {
	method, data, props, user            string
	headers                              []string
	expect                               int
	timeout, every                       time.Duration
	suite, json, raw, har, curl, secrets bool
}

// run runs the command.
func (o *inspectOptions) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	saved := len(args) == 0 || args[0] == "-"
	if saved && len(args) > 0 {
		args = args[1:]
	}
	if err := o.check(args, saved); err != nil {
		return err
	}
	r, err := o.request(ctx, args, saved, stderr)
	if err != nil {
		return err
	}
	if isTerminal(stdout) && (o.json || o.raw || o.har || o.curl) {
		stdout = inspect.Escaped(stdout)
	}
	switch {
	case o.curl:
		_, err := fmt.Fprintln(stdout, r.Curl(o.secrets))
		return err
	case o.suite:
		return o.runSuite(ctx, r, stdout)
	case saved:
		return o.judgeSaved(r, stdout)
	case o.every > 0:
		return o.repeat(ctx, r, stdout)
	}
	x := inspect.Send(ctx, r)
	return o.print(x, stdout)
}

// check returns a usageError for flags that exclude one another. One piece: a list of them.
func (o *inspectOptions) check(args []string, saved bool) error {
	forms := 0
	for _, form := range []bool{o.json, o.raw, o.har, o.curl} {
		if form {
			forms++
		}
	}
	switch {
	case len(args) > 1:
		return cli.Usagef("inspect takes one URL, not %q, too", inspect.MaskURL(args[1]))
	case saved && len(args) == 0 && term.IsTerminal(int(os.Stdin.Fd())):
		return cli.Usagef("give a URL, or a saved answer on standard input")
	case len(args) == 0 && (o.curl || o.suite || o.har || o.every != 0 || o.user != ""):
		return cli.Usagef("--curl, --suite, --har, --every and --user need a URL")
	case saved && (o.curl || o.suite || o.every != 0 || o.data == "@-"):
		return cli.Usagef("--curl, --suite, --every and --data @- are not for a saved answer")
	case forms > 1:
		return cli.Usagef("use one of --json, --raw, --har and --curl")
	case o.suite && (o.raw || o.har || o.curl || o.every != 0 || o.expect != 0 || o.method != "" || o.data != "" || o.props != ""):
		return cli.Usagef("--suite has its own requests, and is printed as a table or with --json")
	case o.every != 0 && (o.raw || o.har || o.curl):
		return cli.Usagef("--every prints lines, or with --json lines of JSON")
	case o.every < 0 || o.timeout < 0:
		return cli.Usagef("a time must not be negative")
	case o.expect != 0 && (o.expect < 200 || o.expect > 599):
		return cli.Usagef("--expect %d is not the status of an answer", o.expect)
	case o.props != "" && o.data != "":
		return cli.Usagef("use either --props or --data")
	}
	return nil
}

// request returns the request that the flags describe. Without a URL it is that of a saved answer.
func (o *inspectOptions) request(ctx context.Context, args []string, saved bool, stderr io.Writer) (*inspect.Request, error) {
	r := &inspect.Request{Method: o.method, Header: make(http.Header), Timeout: o.timeout}
	if o.data != "" {
		body, err := o.body()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	if o.props != "" {
		body, err := propfindBody(o.props)
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	o.defaults(r, saved)
	for _, h := range o.headers {
		if err := addField(r.Header, h); err != nil {
			return nil, err
		}
	}
	if len(args) == 0 {
		return r, nil
	}
	if err := o.parseURL(r, args[0]); err != nil {
		return nil, err
	}
	if _, err := http.NewRequest(r.Method, "/", nil); err != nil {
		return nil, cli.Usagef("%q is not a method", r.Method)
	}
	return r, o.authorize(ctx, r, saved, stderr)
}

// parseURL sets the URL of the request, and takes the user from it.
func (o *inspectOptions) parseURL(r *inspect.Request, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return cli.Usagef("%q is not a URL with http:// or https://", inspect.MaskURL(s))
	}
	if u.User != nil && o.user == "" {
		o.user = u.User.Username()
		if password, ok := u.User.Password(); ok {
			o.user += ":" + password
		}
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	r.URL = u
	return nil
}

// defaults sets what -X and -H do not say. Of a saved answer nothing is known but what they say.
func (o *inspectOptions) defaults(r *inspect.Request, saved bool) {
	switch {
	case r.Method != "":
	case o.props != "":
		r.Method = "PROPFIND"
	case o.data != "":
		r.Method = http.MethodPost
	case !saved:
		r.Method = "PROPFIND"
	}
	if r.Method == "PROPFIND" && !saved && !o.suite {
		r.Header.Set("Depth", "1")
	}
	switch text := bytes.TrimSpace(r.Body); {
	case bytes.HasPrefix(text, []byte("<")):
		r.Header.Set("Content-Type", multistatus.ContentType)
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		r.Header.Set("Content-Type", "application/json")
	}
}

// authorize adds the credentials of --user.
func (o *inspectOptions) authorize(ctx context.Context, r *inspect.Request, saved bool, stderr io.Writer) error {
	name, password, ok := strings.Cut(o.user, ":")
	if o.user == "" || saved {
		return nil
	}
	if !ok && !o.curl {
		var err error
		if password, err = askPassword(ctx, name, false, os.Stdin, stderr); err != nil {
			return err
		}
	}
	req := http.Request{Header: r.Header}
	req.SetBasicAuth(name, password)
	return nil
}

// body returns the body that --data says.
func (o *inspectOptions) body() ([]byte, error) {
	name, isFile := strings.CutPrefix(o.data, "@")
	if !isFile {
		return []byte(o.data), nil
	}
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return b, nil
}

// propName matches one name in --props: a namespace may have commas.
var propName = regexp.MustCompile(`(?:\{[^}]*\})?[^,{}]+`)

// propfindBody returns the body of a PROPFIND for properties with these names.
func propfindBody(names string) ([]byte, error) {
	b := []byte(`<propfind xmlns="DAV:" xmlns:D="DAV:"><prop>`)
	list := propName.FindAllString(names, -1)
	if strings.Join(list, ",") != names {
		return nil, cli.Usagef("--props %q is not a list of names", names)
	}
	for _, name := range list {
		var err error
		p := multistatus.Property{XMLName: multistatus.ParseName(strings.TrimSpace(name))}
		if b, err = multistatus.AppendProperty(b, &p); err != nil {
			return nil, cli.Usagef("--props: %q is not the name of a property", name)
		}
	}
	return append(b, "</prop></propfind>"...), nil
}

// addField adds a field as curl -H takes it.
func addField(h http.Header, field string) error {
	name, value, ok := strings.Cut(field, ":")
	empty := false
	if !ok {
		name, empty = strings.CutSuffix(field, ";")
	}
	value = strings.TrimSpace(value)
	if !httpguts.ValidHeaderFieldName(name) || !ok && !empty || !httpguts.ValidHeaderFieldValue(value) {
		if i := strings.IndexFunc(name, func(r rune) bool { return !httpguts.IsTokenRune(r) }); i >= 0 {
			name = name[:i] // the rest may be secret
		}
		return cli.Usagef("--header %q is not NAME: VALUE", name)
	}
	name = http.CanonicalHeaderKey(name)
	switch {
	case value == "" && !empty:
		h[name] = nil
	case name == "Depth" || name == "Content-Type": // instead of the default
		h.Set(name, value)
	default:
		h.Add(name, value)
	}
	return nil
}

// judgeSaved judges the answer on standard input.
func (o *inspectOptions) judgeSaved(r *inspect.Request, stdout io.Writer) error {
	x, err := inspect.ReadSaved(os.Stdin, r)
	if err != nil {
		return cli.Usagef("standard input: %w", err)
	}
	return o.print(x, stdout)
}

// print prints a judgement in the form that the flags say, and returns its exit status as an error.
func (o *inspectOptions) print(x *inspect.Exchange, stdout io.Writer) error {
	r := inspect.Judge(x, o.expect)
	shown := x
	if !o.secrets {
		shown = x.Masked()
	}
	p := printer(stdout)
	var err error
	switch {
	case o.json:
		err = inspect.WriteJSON(stdout, shown, r)
	case o.har:
		err = archive(shown).HAR(stdout)
	case o.raw:
		err = x.Raw(stdout)
	case o.every > 0:
		err = p.Line(x, r)
	default:
		err = p.Print(x, r)
	}
	if err != nil || r.Outcome == inspect.Well {
		return err
	}
	e := cli.StatusError{Status: int(r.Outcome)}
	if o.raw || o.har {
		e.Message = r.Verdict
	}
	return e
}

// printer returns a printer with colours for a terminal, unless NO_COLOR says that it has none.
func printer(w io.Writer) *inspect.Printer {
	return &inspect.Printer{W: w, Color: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// archive returns the exchanges of x for an HTTP Archive.
func archive(x *inspect.Exchange) (j davtest.Journal) {
	for _, one := range append(x.Redirects[:len(x.Redirects):len(x.Redirects)], x) {
		if one.URL == nil { // a redirect of a saved answer
			continue
		}
		e := davtest.Exchange{Began: one.Began, Took: one.Took, FirstByte: one.FirstByte, Method: one.Method,
			Target: one.URL.RequestURI(), Path: one.URL.Path, Proto: one.Proto, Scheme: one.URL.Scheme, Host: one.URL.Host,
			RequestHeader: one.RequestHeader, RequestBody: one.RequestBody, Interim: one.Interim, Status: one.Status,
			ResponseHeader: one.Header, ResponseBody: one.Body}
		if one.Err != nil {
			e.Broken = one.Err.Error()
		}
		j = append(j, e)
	}
	return j
}

// repeat sends the request again and again until ctx ends, and returns the worst outcome.
func (o *inspectOptions) repeat(ctx context.Context, r *inspect.Request, stdout io.Writer) error {
	var worst cli.StatusError
	for {
		x := inspect.Send(ctx, r)
		if ctx.Err() == nil {
			err := o.print(x, stdout)
			if e := (cli.StatusError{}); errors.As(err, &e) {
				worst.Status = max(worst.Status, e.Status)
			} else if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			if worst.Status != 0 {
				return worst
			}
			return nil
		case <-time.After(o.every):
		}
	}
}

func (o *inspectOptions) runSuite(ctx context.Context, r *inspect.Request, stdout io.Writer) error {
	rows := inspect.Suite(ctx, r)
	var err error
	if o.json {
		err = inspect.WriteRows(stdout, r.URL, rows)
	} else {
		err = printer(stdout).Table(rows)
	}
	if worst := inspect.Worst(rows); err == nil && worst != inspect.Well {
		err = cli.StatusError{Status: int(worst)}
	}
	return err
}
