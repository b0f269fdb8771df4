package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
)

// fullStore is a property store on a full disk.
type fullStore struct{ props.Memory }

func (*fullStore) Patch(context.Context, davpath.Path, []props.Change) error { return syscall.ENOSPC }

// A PROPPATCH that fails is a 207 (RFC 4918 §9.2). The log has the cause.
func TestProppatchFailureIsLogged(t *testing.T) {
	var log bytes.Buffer
	h := New(memory.New(nil).Backend(), &Options{Props: &fullStore{}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	patch := func(name string) string {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PROPPATCH", "/", strings.NewReader(`<propertyupdate xmlns="DAV:"><set><prop>`+name+`</prop></set></propertyupdate>`)))
		if w.Code != 207 {
			t.Fatalf("PROPPATCH = %d", w.Code)
		}
		return w.Body.String()
	}
	if body := patch("<getetag>x</getetag>"); !strings.Contains(body, "403") || log.Len() > 0 {
		t.Errorf("protected property: %s, and the log is %q, want none", body, log.String())
	}
	if body := patch(`<x xmlns="urn:x"/>`); !strings.Contains(body, "507") || !strings.Contains(log.String(), syscall.ENOSPC.Error()) || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("full disk: %s, and the log is %q, want a warning", body, log.String())
	}
}
