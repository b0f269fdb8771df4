package inspect

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"dav207/server/multistatus"
	"dav207/server/wire"
)

// Printer prints judgements for people. It escapes what answers have in them, so that they cannot
// control a terminal, and masks credentials.
type Printer struct {
	W     io.Writer
	Color bool
}

// The numbers of what is printed at most: the rest is counted.
const (
	maxSame    = 10  // findings of one rule
	maxValue   = 200 // characters of a value
	maxRequest = 40  // lines of the body of a request
)

// Print prints an exchange with its judgement.
func (p *Printer) Print(x *Exchange, r *Report) error {
	x = x.Masked()
	var b bytes.Buffer
	for _, redirect := range x.Redirects {
		p.request(&b, redirect)
		p.answer(&b, redirect)
	}
	p.request(&b, x)
	p.answer(&b, x)
	p.body(&b, x, r)
	p.findings(&b, r)
	color := map[Outcome]int{Well: green}[r.Outcome]
	if color == 0 {
		color = red
	}
	fmt.Fprintln(&b, p.paint(color, clean(r.Verdict)))
	_, err := p.W.Write(b.Bytes())
	return err
}

// Line prints an exchange in one line, with the findings below it.
func (p *Printer) Line(x *Exchange, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s %s\n", x.Began.Format(time.RFC3339), p.status(x.Status), duration(x.Took), clean(r.Verdict))
	p.findings(&b, r)
	_, err := p.W.Write(b.Bytes())
	return err
}

func (p *Printer) request(b *bytes.Buffer, x *Exchange) {
	if x.Method == "" || x.URL == nil {
		return
	}
	fmt.Fprintf(b, "%s %s\n", clean(x.Method), clean(x.URL.String()))
	p.fields(b, x.RequestHeader)
	if len(x.RequestBody) > 0 {
		fmt.Fprintln(b)
		p.lines(b, x.RequestBody)
	}
	fmt.Fprintln(b)
}

// lines prints a body.
func (p *Printer) lines(b *bytes.Buffer, body []byte) {
	if !utf8.Valid(body) {
		fmt.Fprintf(b, "  (%d bytes)\n", len(body))
		return
	}
	lines := strings.Split(strings.TrimRight(string(body), "\r\n"), "\n")
	for i, line := range lines {
		if i == maxRequest {
			fmt.Fprintf(b, "  (%d lines more)\n", len(lines)-i)
			return
		}
		fmt.Fprintf(b, "  %s\n", short(strings.TrimSuffix(line, "\r")))
	}
}

func (p *Printer) answer(b *bytes.Buffer, x *Exchange) {
	if x.Status == 0 {
		return
	}
	for _, status := range x.Interim {
		fmt.Fprintf(b, "%s %s\n", clean(x.Proto), p.statusText(status))
	}
	fmt.Fprintf(b, "%s %s", clean(x.Proto), p.statusText(x.Status))
	if x.Took > 0 {
		fmt.Fprintf(b, "   %s to the first byte, %s to the end", duration(x.FirstByte), duration(x.Took))
	}
	fmt.Fprintln(b)
	p.fields(b, x.Header)
	fmt.Fprintln(b)
}

func (p *Printer) fields(b *bytes.Buffer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(b, "  %s: %s\n", clean(wire.ExactName(name)), clean(value))
		}
	}
}

// body prints what is in the body of the answer.
func (p *Printer) body(b *bytes.Buffer, x *Exchange, r *Report) {
	switch {
	case len(r.Members) > 0:
		for i := range r.Members {
			p.member(b, &r.Members[i])
		}
	case r.Kind == multistatus.KindOther && len(x.Body) > 0:
		fmt.Fprintf(b, "%d bytes that are no multistatus\n", len(x.Body))
	}
	p.why(b, "", r.Condition, r.Description)
	if b.Len() > 0 && !bytes.HasSuffix(b.Bytes(), []byte("\n\n")) {
		fmt.Fprintln(b)
	}
}

func (p *Printer) member(b *bytes.Buffer, m *multistatus.Member) {
	var statuses []string
	if m.Status != 0 || len(m.Propstat) == 0 {
		statuses = append(statuses, p.status(m.Status))
	}
	for _, ps := range m.Propstat {
		if s := p.status(ps.Status); !slices.Contains(statuses, s) {
			statuses = append(statuses, s)
		}
	}
	fmt.Fprintf(b, "%s %s\n", strings.Join(statuses, " "), clean(m.Name()))
	p.why(b, "    ", m.Error, m.Description)
	for i := range m.Propstat {
		ps := &m.Propstat[i]
		for j := range ps.Prop {
			property := &ps.Prop[j]
			fmt.Fprintf(b, "    %s %s", p.status(ps.Status), clean(multistatus.NameString(property.XMLName)))
			if property.Lang != "" {
				fmt.Fprintf(b, " [%s]", clean(property.Lang))
			}
			if text := property.Text(); text != "" {
				fmt.Fprintf(b, ": %s", short(text))
			}
			fmt.Fprintln(b)
		}
		p.why(b, "        ", ps.Error, ps.Description)
	}
}

// why prints a condition in words, and a description.
func (p *Printer) why(b *bytes.Buffer, indent string, c *multistatus.Condition, description string) {
	if c != nil {
		fmt.Fprintf(b, "%s%s", indent, clean(multistatus.NameString(c.Name)))
		if words := Words(c); words != "" {
			fmt.Fprintf(b, ": %s", words)
		}
		if len(c.Hrefs) > 0 {
			fmt.Fprintf(b, ": %s", short(strings.Join(c.Hrefs, " ")))
		}
		fmt.Fprintln(b)
	}
	if description != "" {
		fmt.Fprintf(b, "%s%s\n", indent, short(strings.TrimSpace(description)))
	}
}

// findings prints the findings by rule, the violations first.
func (p *Printer) findings(b *bytes.Buffer, r *Report) {
	var order []*multistatus.Rule
	by := make(map[*multistatus.Rule][]multistatus.Finding)
	for _, f := range r.Findings {
		if by[f.Rule] == nil {
			order = append(order, f.Rule)
		}
		by[f.Rule] = append(by[f.Rule], f)
	}
	slices.SortStableFunc(order, func(a, b *multistatus.Rule) int {
		switch {
		case a.Advice == b.Advice:
			return 0
		case a.Advice:
			return 1
		}
		return -1
	})
	for _, rule := range order {
		kind := p.paint(red, "violation")
		if rule.Advice {
			kind = p.paint(yellow, "warning")
		}
		fmt.Fprintf(b, "%s %s: %s (%s)\n", kind, rule.Name, rule.Text, rule.Section)
		for i, f := range by[rule] {
			if i == maxSame {
				fmt.Fprintf(b, "    and %d more\n", max(r.Count(rule), len(by[rule]))-i)
				break
			}
			text := f.Text
			if f.Href != "" {
				text = f.Href + ": " + text
			}
			fmt.Fprintf(b, "    %s\n", short(text))
		}
	}
}

// The colours of ECMA-48.
const (
	red    = 31
	green  = 32
	yellow = 33
)

func (p *Printer) paint(color int, s string) string {
	if !p.Color {
		return s
	}
	return "\x1b[" + strconv.Itoa(color) + "m" + s + "\x1b[0m"
}

// status returns a status in its colour; that which is missing is "---".
func (p *Printer) status(status int) string {
	switch {
	case status == 0:
		return p.paint(red, "---")
	case status >= 400 || status < 100:
		return p.paint(red, strconv.Itoa(status))
	case status >= 300:
		return p.paint(yellow, strconv.Itoa(status))
	}
	return p.paint(green, strconv.Itoa(status))
}

func (p *Printer) statusText(status int) string {
	return strings.TrimSpace(p.status(status) + " " + http.StatusText(status))
}

// duration returns a time in milliseconds.
func duration(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
}

// short is clean for a value that may be long.
func short(s string) string {
	if utf8.RuneCountInString(s) > maxValue {
		n := 0
		for i := range s {
			if n++; n > maxValue {
				return clean(s[:i]) + "…"
			}
		}
	}
	return clean(s)
}

// clean escapes what is not printable: control characters, those that change the direction of text,
// and bytes that are no UTF-8.
func clean(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
