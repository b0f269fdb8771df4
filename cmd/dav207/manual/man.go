package manual

import (
	"io"
	"strings"
)

// Man writes a manual page in roff, with the macros of man(7).
func (p *Program) Man(w io.Writer) error {
	out := &page{errWriter{w: w}}
	out.line(".\\\" Made by \"", p.Name, " man\".")
	out.line(".TH ", strings.ToUpper(p.Name), " 1 ", p.Date.UTC().Format("2006-01-02"), ` "`, escape(p.Name+" "+p.Version), `" "User Commands"`)
	out.line(".SH NAME")
	out.line(p.Name, ` \- `, escape(p.About))
	out.line(".SH SYNOPSIS\n.nf")
	for _, c := range p.Commands {
		out.line(`\fB`, p.Name, " ", c.Name, `\fR`, escape(c.Args))
	}
	out.line(".fi")
	out.line(".SH COMMANDS")
	for _, c := range p.Commands {
		out.line(".SS ", p.Name, " ", c.Name)
		out.text(strings.ToUpper(c.About[:1]) + c.About[1:] + ".")
		if c.More != "" {
			out.line(".PP")
			out.text(c.More)
		}
		for _, o := range p.options(c) {
			out.option(o)
		}
	}
	out.line(".SH \"EXIT STATUS\"")
	out.text("0 for success, 2 for a mistake on the command line, 1 for every other failure. Commands that have more say so.")
	out.line(".SH ENVIRONMENT")
	prefix := strings.ToUpper(p.Name) + "_"
	out.text("A variable with the prefix " + prefix + " sets a flag of the command serve that the command line does not set: " +
		prefix + "READ_ONLY=true is --read-only. Words are the values of a flag that may be given more than once.")
	return out.err
}

// page writes roff.
type page struct{ errWriter }

// option writes a flag with its description.
func (w *page) option(o option) {
	head := `\fB` + escape(o.long) + `\fR`
	if o.short != "" {
		head = `\fB` + escape(o.short) + `\fR, ` + head
	}
	if o.value != nil {
		head += ` \fI` + escape(o.value.name) + `\fR`
	}
	w.line(".TP")
	w.line(head)
	about := strings.TrimSuffix(o.about, ".")
	if o.standard != "" {
		about += " (by default " + o.standard + ")"
	}
	w.text(about + ".")
}

// text writes a paragraph in lines of at most 78 columns.
func (w *page) text(s string) {
	line := ""
	for _, word := range strings.Fields(s) {
		word = escape(word)
		if line != "" && len(line)+1+len(word) > 78 {
			w.line(line)
			line = ""
		}
		if line == "" {
			if strings.IndexAny(word, ".'") == 0 { // would be a request
				word = `\&` + word
			}
			line = word
			continue
		}
		line += " " + word
	}
	w.line(line)
}

// escaper escapes what roff would change. A hyphen would be another character than that of a shell.
var escaper = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

func escape(s string) string { return escaper.Replace(s) }
