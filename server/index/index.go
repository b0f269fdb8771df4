// Package index writes the HTML page that GET sends for a collection.
package index

import (
	"bufio"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dav207/fsbackend"
	"dav207/props"
)

// Programs that mirror a site need relative links. White space separates the cells for programs
// that remove the tags: lftp would read size and date as one number.
var templates = template.Must(template.New("index").Parse(`{{define "head"}}<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.}}</title>
<style>body{font-family:sans-serif;margin:2em}td,th{padding:.1em 1.5em .1em 0;text-align:left}td+td{text-align:right;white-space:nowrap}</style>
</head>
<body>
<h1>{{.}}</h1>
<table>
<tr><th>Name</th> <th>Size</th> <th>Modified</th></tr>
{{end}}{{define "row"}}<tr><td>{{if .Href}}<a href="{{.Href}}">{{.Name}}</a>{{else}}{{.Name}}{{end}}</td> <td>{{.Size}}</td> <td>{{.Modified}}</td></tr>
{{end}}{{define "foot"}}</table>
</body>
</html>
{{end}}`))

type row struct {
	Name, Size, Modified string
	Href                 template.URL // already escaped; empty for no link
}

// SetHeaders sets the headers of a page. It has no validator, so a cache asks again each time (RFC
// 9111 §5.2.2.4).
func SetHeaders(head http.Header) {
	head.Set("Cache-Control", "no-cache")
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
}

// Page is a page being written: Begin, the members, then End. An error is one of the io.Writer.
type Page struct{ w *bufio.Writer }

// NewPage returns a Page that is written to w.
func NewPage(w io.Writer) *Page { return &Page{bufio.NewWriterSize(w, 32<<10)} }

// Begin writes the page up to the first member, with a link to the parent unless root.
func (p *Page) Begin(title string, root bool) error {
	err := templates.ExecuteTemplate(p.w, "head", valid(title))
	if err == nil && !root {
		err = p.row(row{Name: "../", Href: "../"})
	}
	return err
}

// Member writes the row of a member. href is its URL.
func (p *Page) Member(name, href string, info *fsbackend.Info) error {
	last := strings.TrimSuffix(href, "/")
	last = href[strings.LastIndexByte(last, '/')+1:]
	// "./", since a name may hold a colon. html/template writes "+" as "&#43;", which lftp takes
	// for "&". Every other character that html/template escapes is percent-encoded in an href.
	r := row{Name: valid(name), Href: template.URL("./" + strings.ReplaceAll(last, "+", "%2B"))}
	if t := props.LastModified(info); !t.IsZero() {
		r.Modified = t.UTC().Format(time.DateTime)
	}
	if info.IsDir() {
		r.Name += "/"
		r.Size = "-"
	} else {
		r.Size = strconv.FormatInt(info.Size(), 10)
	}
	return p.row(r)
}

// Failed writes the row of a member that cannot be read: its status and no link.
func (p *Page) Failed(name string, status int) error {
	return p.row(row{Name: valid(name), Size: http.StatusText(status)})
}

func (p *Page) row(r row) error { return templates.ExecuteTemplate(p.w, "row", r) }

// End writes the end of the page.
func (p *Page) End() error {
	if err := templates.ExecuteTemplate(p.w, "foot", nil); err != nil {
		return err
	}
	return p.w.Flush()
}

// valid returns a name as UTF-8, the charset of the page.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
