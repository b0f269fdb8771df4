package clients

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"dav207/integration/harness"
)

// corsScript sends WebDAV's methods with fetch, and returns a line for each with what it could read.
//
//go:embed testdata/cors.js
var corsScript string

// TestCORSPage has pages of two origins use the command in a browser. The one that is named reads
// statuses, exposed header fields and bodies, of errors too; the other can do nothing.
func TestCORSPage(t *testing.T) {
	chromium := harness.RealClient(t, "chromium", "apt-get install chromium")
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<!DOCTYPE html><title>app</title>") })
	app, other := httptest.NewServer(page), httptest.NewServer(page)
	defer app.Close()
	defer other.Close()
	dav := startProgram(t, "--memory", "--users", usersFile(t), "--cors-origin", app.URL)
	ctx := inBrowser(t, chromium)
	script := fmt.Sprintf("(%s)(%q, %q)", corsScript, dav.URL, "Basic "+base64.StdEncoding.EncodeToString([]byte(ann+":"+annPassword)))
	for _, tt := range []struct{ origin, want string }{
		{app.URL, `PUT without a password 401 WWW-Authenticate=true
OPTIONS 200 DAV=1, 2, 3 Allow=true
PUT 201 ETag=true
GET 206 Content-Range=bytes 1-2/5 Accept-Ranges=bytes body=el
LOCK 200 Lock-Token=true
PUT without the token 423 body=true
PUT 204 X-OC-Mtime=accepted
PROPFIND 207 body=true
PROPPATCH 207
MOVE 201
UNLOCK 409
GET 404 Date=true
PUT 412
MKCOL 201
COPY 201
HEAD 200 Content-Length=6
DELETE 204
POST 405 Allow=true
`},
		// Not one of these changes anything, and it cannot even read what GET sent.
		{other.URL, `PUT without a password TypeError
OPTIONS TypeError
PUT TypeError
GET TypeError
LOCK TypeError
PUT without the token TypeError
PUT TypeError
PROPFIND TypeError
PROPPATCH TypeError
MOVE TypeError
UNLOCK TypeError
GET TypeError
PUT TypeError
MKCOL TypeError
COPY TypeError
HEAD TypeError
DELETE TypeError
POST TypeError
`},
	} {
		if err := chromedp.Do(ctx, chromedp.Navigate(tt.origin)); err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
		if err != nil || got != tt.want {
			t.Errorf("a page of %s: %v\n%s\nwant\n%s", tt.origin, err, got, tt.want)
		}
	}
}
