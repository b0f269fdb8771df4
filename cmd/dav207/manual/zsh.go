package manual

import (
	"fmt"
	"io"
	"strings"
)

// Zsh writes the completion for zsh, a file in $fpath that is called like the program with "_".
func (p *Program) Zsh(w io.Writer) error {
	out := &errWriter{w: w}
	out.line("#compdef ", p.Name)
	out.line("# Completion of ", p.Name, " for zsh, made by \"", p.Name, " completion zsh\".\n")
	out.line("_", p.Name, "() {")
	out.line("\tlocal -a commands=(")
	for _, c := range p.Commands {
		out.line("\t\t", bashQuote(c.Name+":"+brief(c.About)))
	}
	out.line("\t)")
	out.line("\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n\tfi")
	out.line("\tshift words\n\t((CURRENT--))\n\tcase $words[1] in")
	for _, c := range p.Commands {
		out.line("\t", c.Name, ")")
		out.line("\t\t_arguments -s \\")
		for _, o := range p.options(c) {
			for _, name := range []string{o.long, o.short} {
				if name != "" {
					out.line("\t\t\t", bashQuote(zshOption(o, name)), " \\")
				}
			}
		}
		for i, v := range c.arguments() {
			place := fmt.Sprint(i + 1)
			if v.more {
				place = "*"
			}
			out.line("\t\t\t", bashQuote(place+":"+zshEscape(v.name)+":"+zshAction(v)), " \\")
		}
		out.line("\t\t\t'--help[describe the command]'\n\t\t;;")
	}
	out.line("\tesac\n}\n")
	out.line("if [[ $funcstack[1] == _", p.Name, " ]]; then\n\t_", p.Name, " \"$@\"\nelse\n\tcompdef _", p.Name, " ", p.Name, "\nfi")
	return out.err
}

// zshOption returns the specification of a flag for _arguments.
func zshOption(o option, name string) string {
	before, after := "", ""
	switch {
	case o.repeats:
		before = "*"
	case o.short != "":
		before = "(" + o.long + " " + o.short + ")"
	}
	if o.value != nil {
		name += map[bool]string{true: "=", false: "+"}[strings.HasPrefix(name, "--")]
		after = ":" + zshEscape(o.value.name) + ":" + zshAction(*o.value)
	}
	return before + name + "[" + zshEscape(brief(o.about)) + "]" + after
}

// zshAction returns what completes a value.
func zshAction(v value) string {
	switch v.kind {
	case words:
		return "(" + strings.Join(v.words, " ") + ")"
	case files:
		return "_files"
	case dirs:
		return "_files -/"
	}
	return " "
}

var zshEscaper = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)

func zshEscape(s string) string { return zshEscaper.Replace(s) }
