package server

import (
	"bufio"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/tree"
)

// indexPage is the page that GET sends for a collection. Programs that mirror a site need relative
// links. White space separates the cells for programs that remove the tags: lftp would read size
// and date as one number.
var indexPage = template.Must(template.New("index").Parse(`{{define "head"}}<!DOCTYPE html>
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

type indexRow struct {
	Name, Size, Modified string
	Href                 template.URL // already escaped; empty for no link
}

// index streams the page of a collection. A member that cannot be read has its status in the page.
func (h *Handler) index(q *request, t *tree.Tree, r props.Resource) error {
	title := h.hrefs(q.ctx).Prefix().String()
	if !r.Path.IsRoot() {
		title = strings.ToValidUTF8(strings.TrimSuffix(title, "/")+r.Path.String()+"/", "\uFFFD")
	}
	w := bufio.NewWriterSize(q.w, 32<<10)
	for member, err := range h.withoutJunk(t).Walk(q.ctx, r, tree.One) {
		if member.Path == r.Path {
			if err != nil {
				return err
			}
			if !member.Info.IsDir() { // a file has replaced it, and nothing was sent yet
				return h.get(q)
			}
			setIndexHeaders(q.w.Header())
			if q.Method == http.MethodHead {
				return nil
			}
			if err := writeIndexHead(w, title, r.Path.IsRoot()); err != nil {
				return abort(err)
			}
			continue
		}
		if err != nil && q.ctx.Err() != nil {
			return abort(err)
		}
		if err := indexPage.ExecuteTemplate(w, "row", h.memberRow(q, member, err)); err != nil {
			return abort(err)
		}
	}
	if err := indexPage.ExecuteTemplate(w, "foot", nil); err != nil {
		return abort(err)
	}
	if err := w.Flush(); err != nil {
		return abort(err)
	}
	return nil
}

// setIndexHeaders sets the headers of the page.
func setIndexHeaders(head http.Header) {
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
}

// writeIndexHead writes the page up to the first member, with a link to the parent unless root.
func writeIndexHead(w io.Writer, title string, root bool) error {
	err := indexPage.ExecuteTemplate(w, "head", title)
	if err == nil && !root {
		err = indexPage.ExecuteTemplate(w, "row", indexRow{Name: "../", Href: "../"})
	}
	return err
}

// memberRow returns the row of a member. If err is not nil the row has its status and no link.
func (h *Handler) memberRow(q *request, member props.Resource, err error) indexRow {
	row := indexRow{Name: strings.ToValidUTF8(member.Path.Name(), "\uFFFD")}
	if err != nil {
		row.Size = http.StatusText(asError(err).Status)
		return row
	}
	href := h.hrefs(q.ctx).Href(member.Path, member.Info.IsDir())
	name := strings.TrimSuffix(href, "/")
	name = href[strings.LastIndexByte(name, '/')+1:]
	// "./", since a name may hold a colon. html/template writes "+" as "&#43;", which lftp takes
	// for "&". Every other character that html/template escapes is percent-encoded in an href.
	row.Href = template.URL("./" + strings.ReplaceAll(name, "+", "%2B"))
	if t := props.LastModified(member.Info); !t.IsZero() {
		row.Modified = t.UTC().Format(time.DateTime)
	}
	if member.Info.IsDir() {
		row.Name += "/"
		row.Size = "-"
	} else {
		row.Size = strconv.FormatInt(member.Info.Size(), 10)
	}
	return row
}
