package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"dav207/integration/harness"
)

// BenchmarkStart starts the command on a directory and waits for its first answer. It also reports
// the size of the binary and, where /proc has it, the resident memory after an idle second.
func BenchmarkStart(b *testing.B) {
	path, err := harness.Program()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for b.Loop() {
		p := harness.Launch(b, dir)
		if err := checkAnswers(p.URL); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.Stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "start-ms")
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/(1<<20), "binary-MiB")
	p := harness.Launch(b, dir)
	if err := checkAnswers(p.URL); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second)
	if kib := harness.ResidentKiB(p.Cmd.Process.Pid); kib > 0 {
		b.ReportMetric(float64(kib)/1024, "resident-MiB")
	}
	p.Stop()
}

// checkAnswers sends a request on a new connection and returns an error if the answer is not a 207.
func checkAnswers(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "PROPFIND / HTTP/1.1\r\nHost: %s\r\nDepth: 0\r\n\r\n", u.Host); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMultiStatus {
		return fmt.Errorf("PROPFIND = %s", resp.Status)
	}
	return nil
}
