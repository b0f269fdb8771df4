package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dav207/cmd/dav207/cli"
)

// A certificate is valid for selfSignedLife, and is replaced selfSignedRenew before it expires.
// Apple's systems refuse certificates that are valid for more than 825 days.
const (
	selfSignedLife  = 800 * 24 * time.Hour
	selfSignedRenew = 200 * 24 * time.Hour
)

// OpenSelfSigned returns the stored certificate, which clients may trust already, and instructions
// for the user. It makes a new one if there is none, if it is about to expire, or if it does not
// have the names of the server.
func OpenSelfSigned(addr string, public []*url.URL, log *slog.Logger) (*Certificate, string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, "", fmt.Errorf("there is no place to keep a certificate: %w; give one with --tls-cert and --tls-key", err)
	}
	dir := filepath.Join(config, "dav207")
	names, more := selfSignedNames(addr, public)
	keyFile, certFile := filepath.Join(dir, "self-signed.key"), filepath.Join(dir, "self-signed.crt")
	if err := keepSelfSigned(dir, keyFile, names, more, time.Now()); err != nil {
		return nil, "", err
	}
	c, err := Open(keyFile, keyFile, log)
	if err != nil {
		return nil, "", err
	}
	// The file for clients has the certificate without the key.
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf().Raw})
	if old, _, err := cli.ReadFile(certFile); err != nil || !bytes.Equal(old, text) {
		if err := os.WriteFile(certFile, text, 0o644); err != nil {
			return nil, "", cli.FileError("write", certFile, err)
		}
	}
	return c, TrustHints(certFile, c.Leaf()), nil
}

// selfSignedNames returns the names that a certificate must have, and addresses of this machine
// that it may have. The addresses change, which alone is no reason for a new certificate that
// clients would have to trust again.
func selfSignedNames(addr string, public []*url.URL) (must, may []string) {
	must = []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil {
		must = append(must, name)
		if !strings.Contains(name, ".") {
			must = append(must, name+".local") // mDNS
		}
	}
	for _, u := range public {
		must = append(must, u.Hostname())
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return UsableNames(append(must, host)), nil
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			may = append(may, n.IP.String())
		}
	}
	return UsableNames(must), UsableNames(may)
}

// UsableNames returns the names that are valid in a certificate, normalised and without duplicates.
func UsableNames(names []string) []string {
	var out []string
	for _, n := range names {
		if ip, err := netip.ParseAddr(n); err == nil {
			n = ip.Unmap().WithZone("").String()
		} else if n = strings.ToLower(strings.TrimSuffix(n, ".")); n == "" || strings.ContainsFunc(n, notInHost) {
			continue
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// notInHost reports whether r is not valid in a host name.
func notInHost(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
}

// keepSelfSigned creates the certificate and its key in file, or replaces one that is about to
// expire or lacks names.
func keepSelfSigned(dir, file string, must, may []string, now time.Time) error {
	text, _, err := cli.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return cli.FileError("make", dir, err)
		}
	} else if err != nil {
		return cli.FileError("read", file, err)
	}
	if text != nil {
		pair, err := tls.X509KeyPair(text, text)
		if err != nil {
			return fmt.Errorf("%q does not hold a certificate and its key: remove it, and another is made", file)
		}
		named := namesOf(pair.Leaf)
		missing := slices.ContainsFunc(must, func(n string) bool { return !slices.Contains(named, n) })
		// A certificate with loopback addresses alone is not enough if the server has others.
		reachable := slices.DeleteFunc(slices.Clone(may), isLoopback)
		missing = missing || len(reachable) > 0 && !slices.ContainsFunc(reachable, func(n string) bool { return slices.Contains(named, n) })
		if !missing && now.Before(pair.Leaf.NotAfter.Add(-selfSignedRenew)) {
			return nil
		}
		may = append(named, may...) // names that clients may use
	}
	const most = 100
	names := UsableNames(append(slices.Clone(must), may...))
	fresh, err := MakeSelfSigned(names[:min(len(names), most)], now)
	if err != nil {
		return fmt.Errorf("cannot make a certificate: %w", err)
	}
	return cli.ChangeFile(context.Background(), file, func(old []byte) ([]byte, error) {
		if !bytes.Equal(old, text) {
			return old, nil // another process has replaced it: that one is used
		}
		return fresh, nil
	})
}

func isLoopback(name string) bool {
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// namesOf returns the host names and addresses of c.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// MakeSelfSigned returns a certificate and its key in PEM. It is no certificate authority: it is
// valid for this server alone.
func MakeSelfSigned(names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "dav207 on " + cli.OneLine(host)},
		NotBefore:             now.Add(-time.Hour), // clocks differ
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}

// TrustHints returns the fingerprint of the certificate, and a command for each client system to
// trust it.
func TrustHints(file string, leaf *x509.Certificate) string {
	var sum []string
	for _, b := range sha256.Sum256(leaf.Raw) {
		sum = append(sum, fmt.Sprintf("%02X", b))
	}
	return fmt.Sprintf(`Nobody vouches for the certificate in %s
  SHA-256     %s
Copy it to the clients and have them trust it:
  Windows     certutil -addstore Root self-signed.crt   (as an administrator)
  macOS       sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain self-signed.crt
  Linux       sudo cp self-signed.crt /usr/local/share/ca-certificates/dav207.crt && sudo update-ca-certificates
`, cli.Show(file), strings.Join(sum, ":"))
}
