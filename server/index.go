package server

import (
	"bufio"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/tree"
)

// indexPage is the page that GET shows for a collection. The links are relative, which programs
// that mirror a site by its pages rely on, and white space keeps the cells apart for those that
// drop the tags: lftp would read a size and a date as one number.
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
	Href                 template.URL // escaped by us; empty where there is nothing to follow
}

// index writes the page of a collection, streaming. A member that cannot be looked at is named, with its status.
func (h *Handler) index(q *request, t *tree.Tree, r props.Resource) error {
	title := h.hrefs(q.ctx).Prefix().String()
	if !r.Path.IsRoot() {
		title = strings.ToValidUTF8(strings.TrimSuffix(title, "/")+r.Path.String()+"/", "\uFFFD")
	}
	w := bufio.NewWriterSize(q.w, 32<<10)
	for member, err := range h.listed(t).Walk(q.ctx, r, tree.One) {
		if member.Path == r.Path {
			if err != nil {
				return err
			}
			head := q.w.Header()
			head.Set("Content-Type", "text/html; charset=utf-8")
			head.Set("X-Content-Type-Options", "nosniff")
			head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			if q.Method == http.MethodHead {
				return nil
			}
			if err := indexPage.ExecuteTemplate(w, "head", title); err != nil {
				return abort(err)
			}
			if !r.Path.IsRoot() {
				if err := indexPage.ExecuteTemplate(w, "row", indexRow{Name: "../", Href: "../"}); err != nil {
					return abort(err)
				}
			}
			continue
		}
		row := indexRow{Name: strings.ToValidUTF8(member.Path.Name(), "\uFFFD")}
		if err != nil {
			if q.ctx.Err() != nil {
				return abort(err)
			}
			row.Size = http.StatusText(asError(err).Status)
		} else {
			href := h.hrefs(q.ctx).Href(member.Path, member.Info.IsDir())
			name := strings.TrimSuffix(href, "/")
			name = href[strings.LastIndexByte(name, '/')+1:]
			// "./", since a name may hold a colon. html/template writes "+" as "&#43;", which
			// lftp takes for "&"; all else that it would write so is escaped in an href.
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
		}
		if err := indexPage.ExecuteTemplate(w, "row", row); err != nil {
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
