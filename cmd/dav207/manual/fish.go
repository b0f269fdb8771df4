package manual

import (
	"fmt"
	"io"
	"strings"
)

// Fish writes the completion for fish.
func (p *Program) Fish(w io.Writer) error {
	out := &errWriter{w: w}
	out.line("# Completion of ", p.Name, " for fish, made by \"", p.Name, " completion fish\".\n")
	// The command is the second word: a later one may be called like it.
	out.line("function __", p.Name, "_at\n\tset -l words (commandline -opc)")
	out.line("\ttest \"$words[2]\" = $argv[1]; and begin; test (count $argv) -eq 1; or test (count $words) -eq $argv[2]; end\nend\n")
	out.line("complete -c ", p.Name, " -f")
	for _, c := range p.Commands {
		out.line("complete -c ", p.Name, " -n __fish_use_subcommand -a ", c.Name, " -d ", fishQuote(brief(c.About)))
	}
	for _, c := range p.Commands {
		start := fmt.Sprintf("complete -c %s -n '__%s_at %s'", p.Name, p.Name, c.Name)
		for _, o := range p.options(c) {
			line := start + " -l " + strings.TrimPrefix(o.long, "--")
			if o.short != "" {
				line += " -s " + strings.TrimPrefix(o.short, "-")
			}
			if o.value != nil {
				line += fishValue(*o.value, " -r")
			}
			out.line(line, " -d ", fishQuote(brief(o.about)))
		}
		for i, v := range c.arguments() {
			if v.kind == words { // at its place alone: flags before it are rare
				out.line(fmt.Sprintf("complete -c %s -n '__%s_at %s %d'", p.Name, p.Name, c.Name, i+2), fishValue(v, ""))
			} else if v.kind != nothing {
				out.line(start, fishValue(v, ""))
			}
		}
	}
	return out.err
}

// fishValue returns the flags of complete for a value; required stands for a flag that takes one.
func fishValue(v value, required string) string {
	switch v.kind {
	case words:
		return required + " -f -a " + fishQuote(strings.Join(v.words, " "))
	case files:
		return required + " -F"
	case dirs:
		return required + " -f -a '(__fish_complete_directories)'"
	}
	return required + " -f"
}

var fishEscaper = strings.NewReplacer(`\`, `\\`, "'", `\'`)

func fishQuote(s string) string { return "'" + fishEscaper.Replace(s) + "'" }
