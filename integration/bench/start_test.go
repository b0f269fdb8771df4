package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"dav207/integration/harness"
)

// BenchmarkStart starts the command on a directory and waits for its first answer; it reports what
// is resident of it after a second in which nothing came, where the system tells, and how large it
// is.
func BenchmarkStart(b *testing.B) {
	path, err := harness.Program()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for b.Loop() {
		p := harness.Launch(b, dir)
		if err := answers(p.URL); err != nil {
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
	if err := answers(p.URL); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second)
	if kib := residentKiB(p.Cmd.Process.Pid); kib > 0 {
		b.ReportMetric(float64(kib)/1024, "resident-MiB")
	}
	p.Stop()
}

// answers makes a request on a connection of its own.
func answers(base string) error {
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

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// residentKiB is how much memory of a process is resident, 0 where the system does not say.
func residentKiB(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := residentLine.FindSubmatch(status)
	if m == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib
}
