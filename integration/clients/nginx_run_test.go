package clients

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/integration/harness"
)

// proxy is a running nginx. It listens with TLS, and without TLS for clients that cannot trust the
// certificate.
type proxy struct {
	tls, plain string // addresses
	trusted    *x509.CertPool
}

// proxyHosts are the hosts in the certificate of the proxy: those of the README.
var proxyHosts = []string{"dav.example.com", "www.example.com"}

// client returns a client that connects to the proxy for every host.
func (p *proxy) client(t testing.TB) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, p.tls)
		},
		TLSClientConfig: &tls.Config{RootCAs: p.trusted},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// startNginx starts nginx with a server block of the README, as a proxy for the address backend. It
// is stopped at the end of the test.
func startNginx(t testing.TB, block, backend string) *proxy {
	t.Helper()
	program := harness.RealClient(t, "nginx", "apt-get install nginx-light")
	dir := t.TempDir()
	p := &proxy{trusted: certificate(t, dir)}
	for range 5 {
		p.tls, p.plain = freeAddresses(t)
		err := runNginx(t, program, dir, p, block, backend)
		if err == nil {
			return p
		}
		t.Log(err) // another process may have taken the port meanwhile
	}
	t.Fatal("nginx does not start")
	return nil
}

// freeAddresses returns two addresses with free ports.
func freeAddresses(t testing.TB) (one, other string) {
	t.Helper()
	for _, address := range []*string{&one, &other} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // after the second is found, so that they differ
		*address = ln.Addr().String()
	}
	return one, other
}

var certificateLine = regexp.MustCompile(`(ssl_certificate(?:_key)?) \S+\.(pem|key);`)

func runNginx(t testing.TB, program, dir string, p *proxy, block, backend string) error {
	block = strings.Replace(block, "listen 443 ssl;", "listen "+p.tls+" ssl;\n\tlisten "+p.plain+";", 1)
	block = certificateLine.ReplaceAllString(block, "$1 "+dir+"/nginx.$2;")
	block = strings.ReplaceAll(block, "127.0.0.1:8080", backend)
	// All files that Debian's configuration has elsewhere are below dir, and nginx is a single
	// process. gzip is on, as in Debian.
	config := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	gzip on;
	%[2]s
}
`, dir, block)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", conf)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for range 200 {
		select {
		case err := <-ended:
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			return fmt.Errorf("nginx: %v\n%s", err, log)
		case <-time.After(50 * time.Millisecond):
		}
		conn, err := net.Dial("tcp", p.plain)
		if err != nil {
			continue
		}
		conn.Close()
		t.Cleanup(func() {
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("nginx does not stop")
				cmd.Process.Kill()
				<-ended
			}
			if log, _ := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() {
				t.Logf("nginx logged:\n%s", log)
			}
		})
		return nil
	}
	cmd.Process.Kill()
	return fmt.Errorf("nginx does not listen: %v", <-ended)
}

// certificate writes nginx.pem and nginx.key into dir.
func certificate(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: proxyHosts[0]}, DNSNames: proxyHosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{"nginx.pem": public, "nginx.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(public) {
		t.Fatal("the certificate is malformed")
	}
	return pool
}
