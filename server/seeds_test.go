package server

import (
	"bufio"
	"net/http"
	"net/textproto"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// seed is a request of a real client.
type seed struct {
	header http.Header
	body   string
}

var captured = regexp.MustCompile(`\{[a-z]+\}`)

// clientSeeds returns the requests in integration/rfc4918/testdata/clients.
func clientSeeds(f *testing.F) (seeds []seed) {
	f.Helper()
	files, err := filepath.Glob("../integration/rfc4918/testdata/clients/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no requests of clients: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if section.Name != "request" {
				continue
			}
			text := captured.ReplaceAllString(string(section.Data), "urn:uuid:e71d4fae-5dec-22d6-fea5-00a0c91e6be4")
			head, body, _ := strings.Cut(text, "\n\n")
			_, lines, _ := strings.Cut(strings.TrimRight(head, "\n"), "\n")
			header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(lines + "\n\n"))).ReadMIMEHeader()
			if err != nil {
				f.Fatalf("%s: %v\n%s", file, err, head)
			}
			seeds = append(seeds, seed{http.Header(header), strings.TrimSuffix(body, "\n")})
		}
	}
	return seeds
}

// addHeader adds the values of a header that clients send. It fails if there is none.
func addHeader(f *testing.F, name string) {
	f.Helper()
	found := false
	for _, s := range clientSeeds(f) {
		for _, value := range s.header.Values(name) {
			f.Add(value)
			found = true
		}
	}
	if !found {
		f.Fatalf("no client sends %s", name)
	}
}
