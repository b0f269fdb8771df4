package batch

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// A client that does not read cannot keep the results in memory for as long as it likes; one that
// reads slowly gets all of them.
func TestClientDoesNotRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		read time.Duration // between two reads; 0 for none at all
		want error
	}{
		{"not at all", 0, os.ErrDeadlineExceeded},
		{"slowly", 2 * time.Millisecond, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ended := make(chan error, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := newAnswer(w, false, time.Hour)
				defer a.stop()
				a.timeout = 300 * time.Millisecond
				var err error
				for i := 0; i < 3 && err == nil; i++ {
					err = a.write(bytes.Repeat([]byte("x"), 8<<20), true)
				}
				if err == nil {
					err = a.end()
				}
				ended <- err
			}))
			defer srv.Close()
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))
			if tt.read > 0 {
				go func() {
					for buf := make([]byte, 256<<10); err == nil; time.Sleep(tt.read) {
						_, err = conn.Read(buf)
					}
				}()
			}
			select {
			case err := <-ended:
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			case <-time.After(30 * time.Second):
				t.Error("the handler waits for a client that does not read")
			}
		})
	}
}
