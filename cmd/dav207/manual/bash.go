package manual

import (
	"fmt"
	"io"
	"strings"
)

// bashStart finds out what is to be completed. It reads the line itself, since bash splits words at
// "=" and ":", too. The table of values comes after it, as the body of a function.
const bashStart = `# Completion of NAME for bash, made by "NAME completion bash".

_NAME() {
	local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} words kind= list= prefix= cur flag= found i n=0
	COMPREPLY=()
	read -a words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	local last=$((${#words[@]} - 1)) command=${words[1]}
	cur=${words[last]}
	if ((last == 1)); then
		kind=words list="COMMANDS"
	elif [[ $cur == --*=* ]]; then
		flag=${cur%%=*} cur=${cur#*=}
		_NAME_flag "$command $flag"
		[[ $word == --*=* ]] && prefix=$flag=
	elif _NAME_flag "$command ${words[last - 1]}"; then
		:
	elif [[ $cur == -* ]]; then
		kind=words
		_NAME_flags "$command"
	else
		for ((i = 2; i < last; i++)); do
			if _NAME_flag "$command ${words[i]}"; then
				i=$((i + 1))
			elif [[ ${words[i]} != -* ]]; then
				n=$((n + 1))
			fi
		done
		kind= list=
		_NAME_argument "$command" "$n"
	fi
	case $kind in
	words) found=$(compgen -W "$list" -- "$cur") ;;
	files) found=$(compgen -f -- "$cur") ;;
	dirs) found=$(compgen -d -- "$cur") ;;
	esac
	[[ $kind == files || $kind == dirs ]] && compopt -o filenames 2>/dev/null
	while IFS= read -r line; do
		[[ -n $line ]] && COMPREPLY+=("$prefix$line")
	done <<<"$found"
}

`

// Bash writes the completion for bash 3.2 or later.
func (p *Program) Bash(w io.Writer) error {
	out := &errWriter{w: w}
	var names []string
	for _, c := range p.Commands {
		names = append(names, c.Name)
	}
	out.line(strings.TrimSuffix(strings.NewReplacer("NAME", p.Name, "COMMANDS", strings.Join(names, " ")).Replace(bashStart), "\n"))
	out.line("# Sets what the value of a flag can be. It fails for a flag without a value.")
	out.line("_", p.Name, "_flag() {")
	out.line("\tcase $1 in")
	for _, c := range p.Commands {
		for _, o := range p.options(c) {
			if o.value == nil {
				continue
			}
			pattern := bashQuote(c.Name + " " + o.long)
			if o.short != "" {
				pattern += " | " + bashQuote(c.Name+" "+o.short)
			}
			out.line("\t", pattern, ") ", bashSet(*o.value), " ;;")
		}
	}
	out.line("\t*) return 1 ;;\n\tesac\n}\n")
	out.line("_", p.Name, "_flags() {\n\tcase $1 in")
	for _, c := range p.Commands {
		list := []string{"--help"}
		for _, o := range p.options(c) {
			list = append(list, o.long)
		}
		out.line("\t", c.Name, ") list=", bashQuote(strings.Join(list, " ")), " ;;")
	}
	out.line("\tesac\n}\n")
	out.line("# Sets what an argument can be, by the number of those before it.")
	out.line("_", p.Name, "_argument() {\n\tcase $1:$2 in")
	for _, c := range p.Commands {
		for i, v := range c.arguments() {
			pattern := fmt.Sprintf("%s:%d", c.Name, i)
			if v.more {
				pattern = c.Name + ":*"
			}
			out.line("\t", pattern, ") ", bashSet(v), " ;;")
		}
	}
	out.line("\tesac\n}\n")
	out.line("complete -F _", p.Name, " ", p.Name)
	return out.err
}

// bashSet returns the assignments for a value.
func bashSet(v value) string {
	switch v.kind {
	case words:
		return "kind=words list=" + bashQuote(strings.Join(v.words, " "))
	case files:
		return "kind=files"
	case dirs:
		return "kind=dirs"
	}
	return "kind=none"
}

func bashQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
