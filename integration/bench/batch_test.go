package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/batch"
)

const (
	batchItems    = 1000
	batchPropfind = `<propfind xmlns="DAV:"><prop><getetag/><getcontentlength/></prop></propfind>`
)

// batchCalls returns two functions that ask for the properties of batchItems files on one
// connection: with a request for each, and with one batch.
func batchCalls(tb testing.TB) (single, batched func()) {
	dav := server.New(fsbackend.New(memory.New(nil)), nil)
	srv := httptest.NewServer(batch.New(dav, nil))
	tb.Cleanup(srv.Close)
	ask := func(want int, method, path, contentType, body string) {
		r, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			tb.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Depth", "0")
		resp, err := srv.Client().Do(r)
		if err != nil {
			tb.Fatal(err)
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode != want || err != nil {
			tb.Fatalf("%s %s = %d, %d bytes, %v, want %d", method, path, resp.StatusCode, n, err, want)
		}
	}
	var envelope bytes.Buffer
	envelope.WriteString(`{"requests":[`)
	for i := range batchItems {
		ask(201, "PUT", fmt.Sprintf("/%d", i), "text/plain", "content")
		if i > 0 {
			envelope.WriteByte(',')
		}
		fmt.Fprintf(&envelope, `{"id":"%d","method":"PROPFIND","url":"/%d","headers":{"Depth":"0","Content-Type":"application/xml"},"body":%q}`, i, i, batchPropfind)
	}
	envelope.WriteString(`]}`)
	single = func() {
		for i := range batchItems {
			ask(207, "PROPFIND", fmt.Sprintf("/%d", i), "application/xml", batchPropfind)
		}
	}
	return single, func() { ask(200, "POST", "/$batch", "application/json", envelope.String()) }
}

// BenchmarkBatch compares a batch of 1,000 small PROPFINDs with as many requests, one after another
// on one connection. cpu-ns/item is the processor time of server and client.
func BenchmarkBatch(b *testing.B) {
	single, batched := batchCalls(b)
	for _, c := range []struct {
		name string
		call func()
	}{{"single", single}, {"batch", batched}} {
		b.Run(c.name, func(b *testing.B) {
			began := processorTime()
			for b.Loop() {
				c.call()
			}
			b.ReportMetric(float64(processorTime()-began)/float64(b.N)/batchItems, "cpu-ns/item")
		})
	}
}

// A batch costs at most 1.5 times the processor time of its requests one after another. The least
// of some runs counts.
func TestBatchCost(t *testing.T) {
	if processorTime() == 0 {
		t.Skip("the processor time is not known here")
	}
	single, batched := batchCalls(t)
	least := func(call func()) time.Duration {
		call() // to warm up
		var best time.Duration
		for range 5 {
			began := processorTime()
			call()
			if took := processorTime() - began; best == 0 || took < best {
				best = took
			}
		}
		return best
	}
	if one, all := least(single), least(batched); all > one*3/2 {
		t.Errorf("a batch takes %v of the processor, and its requests one after another %v", all, one)
	} else {
		t.Logf("a batch takes %v of the processor, and its requests one after another %v", all, one)
	}
}
