package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a certificate authority for users.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{template, key, filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign returns a client's certificate.
func (a *authority) sign(t *testing.T, template x509.Certificate) tls.Certificate {
	t.Helper()
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(2), a.cert.NotBefore, a.cert.NotAfter
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestServeClientCA(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := writeCertificate(t, t.TempDir(), "one.example")
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users, "ann", annHash)
	bob := x509.Certificate{Subject: pkix.Name{CommonName: "B"}, EmailAddresses: []string{"bob@example.com"}}
	for _, with := range []bool{false, true} { // other kinds of login as well
		args := []string{"serve", "--memory", "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--client-ca", ca.file}
		if with {
			args = append(args, "--users", users)
		}
		s := startCommand(t, args...)
		if want := ", to the users with a certificate of " + ca.file + "\n"; !strings.Contains(s.stdout.String(), want) {
			t.Errorf("stdout = %q, want %q in it", s.stdout.String(), want)
		}
		for _, tt := range []struct {
			rule     string
			client   []tls.Certificate
			password string
			want     int // 0: no connection
			without  int // without other kinds of login
		}{
			{"a certificate", []tls.Certificate{ca.sign(t, bob)}, "", 200, 200},
			{"of another authority", []tls.Certificate{other.sign(t, bob)}, "", 0, 0}, // the handshake fails
			{"without a name", []tls.Certificate{ca.sign(t, x509.Certificate{})}, "", 401, 403},
			{"none", nil, "", 401, 0},
			{"none, and a password", nil, "secret", 200, 0},
			{"none, and a wrong password", nil, "wrong", 401, 0},
		} {
			want := tt.without
			if with {
				want = tt.want
			}
			r, err := http.NewRequest("GET", s.base, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.password != "" {
				r.SetBasicAuth("ann", tt.password)
			}
			got := 0
			if resp, err := trusting(t, &tls.Config{InsecureSkipVerify: true, Certificates: tt.client}).Do(r); err == nil {
				resp.Body.Close()
				got = resp.StatusCode
			}
			if got != want {
				t.Errorf("%s, with --users %t: %d, want %d", tt.rule, with, got, want)
			}
		}
		s.stop(t)
		if log := s.stderr.String(); !strings.Contains(log, " user=bob@example.com\n") || with != strings.Contains(log, " user=ann\n") {
			t.Errorf("log = %s, want the users", log)
		}
	}
}

func TestServeAuthHeader(t *testing.T) {
	for proxy, want := range map[string]int{"127.0.0.1": 200, "192.0.2.1": 403} {
		s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--trusted-proxy", proxy, "--auth-header", "remote-user")
		if want := ", to the users that a proxy names in Remote-User\n"; !strings.Contains(s.stdout.String(), want) {
			t.Errorf("stdout = %q, want %q in it", s.stdout.String(), want)
		}
		if code, _ := do(t, "GET", s.base, "", "Remote-User", "ann"); code != want {
			t.Errorf("from a client, trusted is %s: %d, want %d", proxy, code, want)
		}
		if code, _ := do(t, "GET", s.base, ""); code != 403 {
			t.Errorf("without the field: %d, want 403", code)
		}
		s.stop(t)
		if got := strings.Contains(s.stderr.String(), "user=ann"); got != (want == 200) {
			t.Errorf("log = %s, with ann %t", s.stderr.String(), got)
		}
	}
}

// passwd --digest writes what serve --digest-users reads; TestDigestCurl of integration logs in.
func TestPasswdDigest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	set := func(stdin string, digest bool) error {
		var out, errs buffer
		return passwd(t.Context(), file, "ann", digest, giving(t, stdin), &out, &errs)
	}
	for _, stdin := range []string{"first\n", strings.Repeat("secret78", 20) + "\n"} {
		if err := set(stdin, true); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "ann:dav207:") != 2 || strings.Count(string(text), "\n") != 2 {
		t.Errorf("file = %s, %v, want two lines", text, err)
	}
	if err := set("secret\n", false); err == nil || !strings.Contains(err.Error(), "--digest: nothing was changed") {
		t.Errorf("without --digest: %v, want an error", err)
	}
	if err := set("\n", true); err == nil || !strings.Contains(err.Error(), "the password is empty: nothing was changed") {
		t.Errorf("no password: %v, want an error", err)
	}
	if now, _ := os.ReadFile(file); string(now) != string(text) {
		t.Errorf("file = %s, want what it was", now)
	}

	s := startCommand(t, "serve", "--memory", "--addr", ":0", "--digest-users", file)
	base := strings.Replace(s.base, "https", "http", 1)
	resp, err := http.Get(base)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Values("WWW-Authenticate"); resp.StatusCode != 401 || len(got) != 2 || !strings.HasPrefix(got[0], `Digest realm="dav207", qop="auth", algorithm=SHA-256, `) {
		t.Errorf("%s with %q, want 401 with two challenges", resp.Status, got)
	}
	s.stop(t)
	if log := s.stderr.String(); !strings.Contains(log, "files cross the network as they are") {
		t.Errorf("log = %s, want a warning", log)
	}
}
