package lab

import (
	"bufio"
	"bytes"
	"crypto/tls"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dav207/server/multistatus"
)

//go:embed exercises.txtar
var exerciseTree string

//go:embed exercises.json
var exerciseFaults string

//go:embed page.html
var pageSource []byte

// Exercises are the tree and the faults of the exercises, for Options.Server: each exercise has a
// collection of its own, and can be run as often as one likes after a reset.
func Exercises() (tree, faults string) { return exerciseTree, exerciseFaults }

// Exercise is a request, and what its answer teaches.
type Exercise struct {
	About   string   `json:"about"`
	Method  string   `json:"method"`
	Path    string   `json:"path"` // below the root of the tree, without its first slash
	Headers []string `json:"headers,omitempty"`
	Body    string   `json:"body,omitempty"` // without a single quote
	Not     string   `json:"not"`            // what a client must not conclude from the answer
}

// Command returns the exercise as a line for a POSIX shell.
func (x *Exercise) Command(base string) string {
	var b strings.Builder
	b.WriteString(`curl -si -w '\n' -X ` + x.Method)
	for _, h := range x.Headers {
		b.WriteString(" -H '" + h + "'")
	}
	if x.Body != "" {
		b.WriteString(" -d '" + x.Body + "'")
	}
	b.WriteString(" " + base + x.Path)
	return b.String()
}

// Result is an exchange of an exercise as it was on the wire.
type Result struct {
	Request   string     `json:"request"`
	Response  string     `json:"response"`
	Resources []Resource `json:"resources"`
	Not       string     `json:"not"`
}

// Resource is what an answer says of one resource.
type Resource struct {
	Href       string `json:"href"`
	Status     int    `json:"status"`
	Properties string `json:"properties,omitempty"` // those that have the status
	Condition  string `json:"condition,omitempty"`
}

func (l *Lab) page(*http.Request) (any, error) {
	return document{"text/html; charset=utf-8", pageSource}, nil
}

// shown is an exercise with its command.
type shown struct {
	Exercise
	Command string `json:"command"`
}

func (l *Lab) getExercises(*http.Request) (any, error) {
	list := make([]shown, len(List))
	for i := range List {
		list[i] = shown{List[i], List[i].Command(l.Base())}
	}
	return map[string]any{"url": l.Base(), "exercises": list}, nil
}

// runExercise resets the lab but for its persona, so that each run shows the same, and sends the
// request.
func (l *Lab) runExercise(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(List) {
		return nil, fmt.Errorf("exercise %q: %w", r.PathValue("n"), errUnknown)
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	persona := l.Persona()
	l.Reset()
	if err := l.SetPersona(persona); err != nil {
		return nil, err
	}
	return l.run(&List[n-1])
}

// run sends the request of an exercise on a connection of its own, so that every byte can be shown.
func (l *Lab) run(x *Exercise) (*Result, error) {
	base, err := url.Parse(l.Base())
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", base.Host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if base.Scheme == "https" {
		config := l.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.ServerName = "example.com" // a name of the certificate of httptest
		conn = tls.Client(conn, config)
	}
	request := x.bytes(base)
	var received bytes.Buffer
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	_, broken := io.Copy(&received, conn)
	result := &Result{Request: request, Response: received.String(), Not: x.Not, Resources: []Resource{}}
	response, err := http.ReadResponse(bufio.NewReader(&received), &http.Request{Method: x.Method})
	if err != nil || broken != nil {
		return result, nil // the exercise is about that
	}
	defer response.Body.Close()
	result.Resources = resources(base.Path+x.Path, response)
	return result, nil
}

func (x *Exercise) bytes(base *url.URL) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", x.Method, base.Path+x.Path, base.Host)
	for _, h := range x.Headers {
		b.WriteString(h + "\r\n")
	}
	if x.Body != "" {
		fmt.Fprintf(&b, "Content-Type: application/xml\r\nContent-Length: %d\r\n", len(x.Body))
	}
	return b.String() + "\r\n" + x.Body
}

// resources returns what a response says of each resource. A plain status is that of the
// Request-URI.
func resources(path string, r *http.Response) []Resource {
	if r.StatusCode == http.StatusMultiStatus {
		members, err := multistatus.Decode(r.Body)
		if err != nil {
			return []Resource{}
		}
		return fromResponses(members)
	}
	plain := Resource{Href: path, Status: r.StatusCode}
	if r.Header.Get("Content-Type") == multistatus.ContentType {
		c, _ := multistatus.DecodeError(r.Body)
		plain.Condition = conditionName(c)
	}
	return []Resource{plain}
}

func fromResponses(members []multistatus.Response) []Resource {
	list := []Resource{}
	for _, m := range members {
		if m.Status != 0 {
			list = append(list, Resource{Href: m.Href, Status: m.Status, Condition: conditionName(m.Error)})
		}
		for _, p := range m.Propstat {
			var names []string
			for _, q := range p.Prop {
				names = append(names, q.XMLName.Local)
			}
			list = append(list, Resource{m.Href, p.Status, strings.Join(names, " "), conditionName(p.Error)})
		}
	}
	return list
}

// conditionName returns the local name of a condition, "" for nil.
func conditionName(c *multistatus.Condition) string {
	if c == nil {
		return ""
	}
	return c.Name.Local
}
