package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"dav207/server/multistatus"
	"dav207/server/wire"
)

// Raw writes the answers as curl -i writes them, as they came.
func (x *Exchange) Raw(w io.Writer) error {
	var b bytes.Buffer
	for _, one := range append(slices.Clone(x.Redirects), x) {
		if one.Status == 0 {
			continue
		}
		for _, status := range one.Interim {
			fmt.Fprintf(&b, "%s %d %s\r\n\r\n", one.Proto, status, http.StatusText(status))
		}
		fmt.Fprintf(&b, "%s %d %s\r\n", one.Proto, one.Status, http.StatusText(one.Status))
		for _, name := range slices.Sorted(maps.Keys(one.Header)) {
			for _, value := range one.Header[name] {
				fmt.Fprintf(&b, "%s: %s\r\n", wire.ExactName(name), value)
			}
		}
		b.WriteString("\r\n")
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	_, err := w.Write(x.Body)
	return err
}

// Escaped returns a writer that escapes what could control a terminal, but line ends and tabs.
func Escaped(w io.Writer) io.Writer { return escaper{w} }

type escaper struct{ w io.Writer }

// Write implements io.Writer.
func (e escaper) Write(p []byte) (int, error) {
	lines := strings.SplitAfter(strings.ReplaceAll(string(p), "\r\n", "\n"), "\n")
	for i, line := range lines {
		end := ""
		if text, ok := strings.CutSuffix(line, "\n"); ok {
			line, end = text, "\n"
		}
		parts := strings.Split(line, "\t")
		for j := range parts {
			parts[j] = clean(parts[j])
		}
		lines[i] = strings.Join(parts, "\t") + end
	}
	if _, err := io.WriteString(e.w, strings.Join(lines, "")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// The types below are the JSON of a judgement.
type jsonReport struct {
	Request   *jsonRequest  `json:"request,omitempty"`
	Redirects []jsonAnswer  `json:"redirects,omitempty"`
	Answer    *jsonAnswer   `json:"answer,omitempty"`
	Error     string        `json:"error,omitempty"` // of the transport
	Kind      string        `json:"kind"`
	JSON      bool          `json:"json"`
	Members   []jsonMember  `json:"members,omitempty"`
	Condition *jsonFailure  `json:"condition,omitempty"`
	Findings  []jsonFinding `json:"findings"`
	Omitted   int           `json:"findingsOmitted,omitempty"` // those that are counted, and not here
	Total     int           `json:"total"`
	Failed    int           `json:"failed"`
	Outcome   Outcome       `json:"outcome"`
	Verdict   string        `json:"verdict"`
}

type jsonRequest struct {
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Headers http.Header `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
}

type jsonAnswer struct {
	URL       string      `json:"url,omitempty"` // of a redirect
	Interim   []int       `json:"interim,omitempty"`
	Protocol  string      `json:"protocol,omitempty"`
	Status    int         `json:"status"`
	Headers   http.Header `json:"headers,omitempty"`
	Bytes     int         `json:"bytes"`
	Began     string      `json:"began,omitempty"`
	FirstByte float64     `json:"firstByteMs,omitempty"`
	Took      float64     `json:"tookMs,omitempty"`
}

type jsonMember struct {
	ID        string         `json:"id,omitempty"`
	Href      string         `json:"href,omitempty"`
	Status    int            `json:"status,omitempty"`
	Propstats []jsonPropstat `json:"propstats,omitempty"`
	*jsonFailure
}

type jsonPropstat struct {
	Status     int            `json:"status"`
	Properties []jsonProperty `json:"properties"`
	*jsonFailure
}

type jsonProperty struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

type jsonFailure struct {
	Condition   string   `json:"condition,omitempty"`
	Words       string   `json:"words,omitempty"`
	Hrefs       []string `json:"hrefs,omitempty"`
	Description string   `json:"description,omitempty"`
}

type jsonFinding struct {
	Rule    string `json:"rule"`
	Section string `json:"section"`
	Advice  bool   `json:"advice"`
	Href    string `json:"href,omitempty"`
	Found   string `json:"found"`
	Text    string `json:"text"`
}

// WriteJSON writes an exchange with its judgement as one line of JSON.
func WriteJSON(w io.Writer, x *Exchange, r *Report) error {
	out := jsonReport{Kind: string(r.Kind), JSON: r.JSON, Total: r.Total, Failed: r.Failed,
		Outcome: r.Outcome, Verdict: r.Verdict, Findings: []jsonFinding{}, Condition: failure(r.Condition, r.Description)}
	if x.Method != "" || x.URL != nil {
		out.Request = &jsonRequest{Method: x.Method, Headers: x.RequestHeader, Body: string(x.RequestBody)}
		if x.URL != nil {
			out.Request.URL = x.URL.String()
		}
	}
	for _, redirect := range x.Redirects {
		out.Redirects = append(out.Redirects, redirect.json())
	}
	if x.Status != 0 {
		a := x.json()
		a.URL = ""
		out.Answer = &a
	}
	if x.Err != nil {
		out.Error = x.Err.Error()
	}
	for i := range r.Members {
		out.Members = append(out.Members, memberJSON(&r.Members[i]))
	}
	out.Findings = appendFindings(out.Findings, r.Findings)
	listed := make(map[*multistatus.Rule]int)
	for _, f := range r.Findings {
		if listed[f.Rule]++; listed[f.Rule] == 1 {
			out.Omitted += r.Count(f.Rule)
		}
		out.Omitted--
	}
	return encode(w, out)
}

func appendFindings(out []jsonFinding, findings []multistatus.Finding) []jsonFinding {
	for _, f := range findings {
		out = append(out, jsonFinding{f.Name, f.Section, f.Advice, f.Href, f.Text, f.Rule.Text})
	}
	return out
}

// encode writes v as one line of JSON.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (x *Exchange) json() jsonAnswer {
	a := jsonAnswer{Interim: x.Interim, Protocol: x.Proto, Status: x.Status, Headers: x.Header, Bytes: len(x.Body),
		FirstByte: milliseconds(x.FirstByte), Took: milliseconds(x.Took)}
	if x.URL != nil {
		a.URL = x.URL.String()
	}
	if !x.Began.IsZero() {
		a.Began = x.Began.Format(time.RFC3339Nano)
	}
	return a
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func memberJSON(m *multistatus.Member) jsonMember {
	out := jsonMember{ID: m.ID, Href: m.Href, Status: m.Status, jsonFailure: failure(m.Error, m.Description)}
	for i := range m.Propstat {
		ps := &m.Propstat[i]
		p := jsonPropstat{Status: ps.Status, Properties: []jsonProperty{}, jsonFailure: failure(ps.Error, ps.Description)}
		for j := range ps.Prop {
			p.Properties = append(p.Properties, jsonProperty{multistatus.NameString(ps.Prop[j].XMLName), ps.Prop[j].Text()})
		}
		out.Propstats = append(out.Propstats, p)
	}
	return out
}

func failure(c *multistatus.Condition, description string) *jsonFailure {
	if c == nil && description == "" {
		return nil
	}
	f := &jsonFailure{Description: description}
	if c != nil {
		f.Condition, f.Words, f.Hrefs = multistatus.NameString(c.Name), Words(c), c.Hrefs
	}
	return f
}

// Curl returns the command of curl that sends the same request, for a POSIX shell. Credentials are
// masked unless secrets is set.
func (r *Request) Curl(secrets bool) string {
	header, target, body := r.Header, r.URL.String(), r.Body
	if !secrets {
		header, target, body = maskHeader(header), MaskURL(target), maskBody(body, header.Get("Content-Type"))
	}
	words := []string{"curl", "-si", "-g", "--path-as-is"}
	if Safe(r.Method) {
		words = append(words, "-L")
	}
	if r.Method == http.MethodHead {
		words = append(words, "-I")
	} else {
		words = append(words, "-X", quote(r.Method))
	}
	fields := http.Header{"Accept": nil, "User-Agent": {"dav207"}} // curl has others by default
	if len(body) > 0 {
		fields["Content-Type"] = nil
	}
	maps.Copy(fields, header)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(fields[name]) == 0 {
			words = append(words, "-H", quote(name+":"))
		}
		for _, v := range fields[name] {
			words = append(words, curlField(name, v)...)
		}
	}
	before := ""
	switch {
	case len(body) == 0:
	case utf8.Valid(body) && !bytes.ContainsRune(body, 0) && body[0] != '@':
		words = append(words, "--data-binary", quote(string(body)))
	default:
		before = "echo " + base64.StdEncoding.EncodeToString(body) + " | base64 -d | "
		words = append(words, "--data-binary", "@-")
	}
	return before + strings.Join(append(words, quote(target)), " ")
}

// curlField returns the words for a header field.
func curlField(name, v string) []string {
	if scheme, rest, _ := strings.Cut(v, " "); name == "Authorization" && scheme == "Basic" {
		if user, password, ok := basic(rest); ok {
			return []string{"-u", quote(user + ":" + password)}
		}
		if strings.HasSuffix(rest, ":"+mask) {
			return []string{"-u", quote(rest)}
		}
	}
	if v == "" {
		return []string{"-H", quote(name + ";")}
	}
	return []string{"-H", quote(wire.ExactName(name) + ": " + v)}
}

// quote quotes a word for a POSIX shell, if that is needed.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
