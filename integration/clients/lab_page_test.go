package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"dav207/integration/harness"
	"dav207/server/davtest"
	"dav207/server/davtest/lab"
)

// inBrowser starts Chromium. The context is for what it does.
func inBrowser(t *testing.T, chromium string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// TestLabPage runs the exercises in a browser: a click shows the whole exchange, the table of
// resources, and what a client must not conclude.
func TestLabPage(t *testing.T) {
	chromium := harness.RealClient(t, "chromium", "apt-get install chromium")
	tree, faults := lab.Exercises()
	l, err := lab.Start(&lab.Options{Server: davtest.Options{Tree: tree, Faults: faults}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx := inBrowser(t, chromium)
	if err := chromedp.Do(ctx, chromedp.Navigate(l.ControlURL)); err != nil {
		t.Fatal(err)
	}
	do := func(action chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, action); err != nil {
			t.Fatal(err)
		}
	}
	text := func(selector string) string {
		t.Helper()
		text, err := chromedp.Run(ctx, chromedp.Text(selector))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	do(chromedp.WaitVisible(fmt.Sprintf("#exercise-%d", len(lab.List))))
	for _, tt := range []struct {
		exercise string
		request  string // its beginning
		response string // a part
		table    string // the cells of a row, separated by spaces
		not      string
	}{
		{"#exercise-1", "PROPFIND /propfind/file.html HTTP/1.1", "HTTP/1.1 207 Multi-Status", "/propfind/file.html 403 DingALing Random", "each propstat has its own"},
		{"#exercise-6", "DELETE /delete/ HTTP/1.1", "<D:href>/delete/sub/undying.txt</D:href>", "/delete/sub/undying.txt 403", "only one resource is left"},
		{"#exercise-10", "PROPFIND /transport/moved/ HTTP/1.1", "Location: /listing/", "/transport/moved/ 302", "the collection is empty"},
		{"#exercise-11", "PROPFIND /transport/cached/ HTTP/1.1", "Age: 3600", "/transport/cached/old.txt 200", "old.txt exists"},
		{"#exercise-12", "PROPFIND /transport/buffered/ HTTP/1.1", "HTTP/1.1 207", "/transport/buffered/a.txt 200", "the server is down"},
	} {
		do(chromedp.Click(tt.exercise + " button"))
		do(chromedp.WaitVisible(tt.exercise + " .result"))
		request, response, not := text(tt.exercise+" .request"), text(tt.exercise+" .response"), text(tt.exercise+" .not")
		table := strings.Join(strings.Fields(text(tt.exercise+" tbody")), " ")
		if !strings.HasPrefix(request, tt.request) || !strings.Contains(response, tt.response) || !strings.Contains(table, tt.table) || !strings.Contains(not, tt.not) {
			t.Errorf("%s shows\n%s\n%s\n%s\n%s", tt.exercise, request, response, table, not)
		}
	}
	do(chromedp.SendKeys("#persona", "iis"))
	for deadline := time.Now().Add(10 * time.Second); l.Persona() != "iis"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the persona is %q, want iis", l.Persona())
		}
	}
	do(chromedp.Click("#exercise-2 button"))
	do(chromedp.WaitVisible("#exercise-2 .result"))
	if response := text("#exercise-2 .response"); !strings.Contains(response, "Server: Microsoft-IIS/10.0") {
		t.Errorf("#exercise-2 shows %s, want that of the persona", response)
	}
}
