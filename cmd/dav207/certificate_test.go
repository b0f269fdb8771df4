package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/cmd/dav207/certificate"
)

// writeCertificate writes a certificate for the host that is named, and 127.0.0.1, and its key.
func writeCertificate(t testing.TB, dir, host string) (cert, key string) {
	t.Helper()
	text, err := certificate.MakeSelfSigned([]string{host, "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	cert, key = filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key")
	for name, content := range map[string][]byte{cert: rest, key: pem.EncodeToMemory(block)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// serverCertificate returns the certificate of a server.
func serverCertificate(t testing.TB, base string, config *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// trusting returns a client that accepts any certificate, and uses HTTP/2 if it can.
func trusting(t testing.TB, config *tls.Config) *http.Client {
	tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "one.example")
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	if out := s.stdout.String(); !strings.HasPrefix(s.base, "https://127.0.0.1:") || !strings.Contains(out, "dav"+strings.Replace(s.base, "http", "", 1)) ||
		!strings.Contains(out, "net use * "+s.base) || strings.Contains(out, "http://") {
		t.Errorf("stdout = %q, want https everywhere", out)
	}
	insecure := &tls.Config{InsecureSkipVerify: true}
	resp, err := trusting(t, insecure).Get(s.base)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Errorf("GET = %s %s, want 200 over HTTP/2", resp.Proto, resp.Status)
	}
	if _, err := serverCertificate(t, s.base, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if code, body := do(t, "GET", strings.Replace(s.base, "https", "http", 1), ""); code != 400 || !strings.Contains(body, "HTTPS") {
		t.Errorf("without TLS: %d %s, want 400", code, body)
	}

	// Another certificate comes, and its key a little later.
	otherDir := t.TempDir()
	otherCert, otherKey := writeCertificate(t, otherDir, "two.example")
	if err := os.Rename(otherCert, cert); err != nil {
		t.Fatal(err)
	}
	name := func() string {
		c, err := serverCertificate(t, s.base, insecure)
		if err != nil {
			t.Fatal(err)
		}
		return c.DNSNames[0]
	}
	const trouble = "the certificate stays as it was"
	eventually(t, "the mismatch is noticed", func() bool { return name() == "one.example" && strings.Contains(s.stderr.String(), trouble) })
	if err := os.Rename(otherKey, key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate is shown", func() bool { return name() == "two.example" })
	if n := strings.Count(s.stderr.String(), trouble); n != 1 {
		t.Errorf("log = %s: %d complaints, want 1", s.stderr.String(), n)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key that is gone is noticed", func() bool { return name() == "two.example" && strings.Count(s.stderr.String(), trouble) == 2 })
}

// configDir sets a temporary directory as the user's configuration directory.
func configDir(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData", "home"} {
		t.Setenv(name, home)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "dav207")
}

func TestServeSelfSigned(t *testing.T) {
	dir := configDir(t)
	file := filepath.Join(dir, "self-signed.crt")
	start := func(args ...string) (*instance, *x509.Certificate) {
		t.Helper()
		s := startCommand(t, append([]string{"serve", "--memory", "--tls-self-signed", "--addr", "127.0.0.1:0"}, args...)...)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) || strings.Contains(string(text), "KEY") {
			t.Fatalf("%s = %s, want a certificate alone", file, text)
		}
		c, err := serverCertificate(t, s.base, &tls.Config{RootCAs: pool}) // a client that trusts it
		if err != nil {
			t.Fatalf("%s: %v", s.base, err)
		}
		return s, c
	}
	s, first := start()
	sum := strings.Split(certificate.TrustHints(file, first), "\n")[1]
	for _, want := range []string{sum, file, "certutil", "security add-trusted-cert", "update-ca-certificates"} {
		if !strings.Contains(s.stdout.String(), want) {
			t.Errorf("stdout = %q, want %q in it", s.stdout.String(), want)
		}
	}
	if first.IsCA || !slices.Contains(first.DNSNames, "localhost") || first.VerifyHostname("::1") != nil ||
		first.NotAfter.Sub(first.NotBefore) > 825*24*time.Hour || first.CheckSignature(first.SignatureAlgorithm, first.RawTBSCertificate, first.Signature) != nil {
		t.Errorf("certificate = %v for %v and %v until %v, want one for this machine that is no authority", first.Subject, first.DNSNames, first.IPAddresses, first.NotAfter)
	}
	if host, err := os.Hostname(); err == nil && len(certificate.UsableNames([]string{host})) == 1 && first.VerifyHostname(host) != nil {
		t.Errorf("certificate = %v, want %s in it", first.DNSNames, host)
	}
	if info, err := os.Stat(filepath.Join(dir, "self-signed.key")); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the key: %v, %v, want that only its owner reads it", info, err)
	}
	s.stop(t)

	// It is the same after a restart, also if the copy for clients is gone.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s, second := start()
	s.stop(t)
	if !second.Equal(first) {
		t.Error("another certificate after a restart")
	}
	// It is not where it must name another host, and then names those of before, too.
	s, third := start("--public-url", "https://dav.example.com/")
	s.stop(t)
	if third.Equal(first) || third.VerifyHostname("dav.example.com") != nil || third.VerifyHostname("localhost") != nil {
		t.Errorf("certificate = %v, want one with dav.example.com and localhost", third.DNSNames)
	}
	s, fourth := start()
	s.stop(t)
	if !fourth.Equal(third) {
		t.Error("another certificate for fewer names")
	}

	if err := os.WriteFile(filepath.Join(dir, "self-signed.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs buffer
	if code := run(t.Context(), []string{"serve", "--memory", "--addr", "127.0.0.1:0", "--tls-self-signed"}, &out, &errs); code != 1 ||
		!strings.Contains(errs.String(), "remove it, and another is made") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("with a broken file: %d, %q, want 1 and what helps", code, errs.String())
	}
}
