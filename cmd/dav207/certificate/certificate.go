package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dav207/cmd/dav207/cli"
)

// Certificate is a TLS certificate and its key, from two files or one. It rereads the files when
// they change. While they are not valid, or do not match each other, it keeps the previous
// certificate.
type Certificate struct {
	certFile string
	KeyFile  string
	log      *slog.Logger
	current  atomic.Pointer[tls.Certificate]

	mu        sync.Mutex // held by the handshake that checks the files; others do not wait for it
	checked   time.Time
	cert, key []byte // contents read last, valid or not
}

// checkEvery is the least time between two checks of the files.
const checkEvery = 2 * time.Second

// Open reads the files. It returns an error if they are not valid.
func Open(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, KeyFile: keyFile, log: log, checked: time.Now()}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.mu.TryLock() {
		if now := time.Now(); now.Sub(c.checked) >= checkEvery {
			c.checked = now
			if changed, err := c.read(); err != nil && changed {
				c.log.Error("the certificate stays as it was", slog.Any("err", err))
			} else if changed {
				c.log.Info("the certificate changed", slog.String("file", c.certFile))
			}
		}
		c.mu.Unlock()
	}
	return c.current.Load(), nil
}

// read reads the files and replaces the certificate. changed is false if the contents are those of
// the last call: then err has been reported already.
func (c *Certificate) read() (changed bool, err error) {
	cert, _, certErr := cli.ReadFile(c.certFile)
	key, _, keyErr := cli.ReadFile(c.KeyFile)
	if certErr == nil && keyErr == nil && c.current.Load() != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	changed = c.current.Load() == nil || !bytes.Equal(cert, c.cert) || !bytes.Equal(key, c.key)
	c.cert, c.key = cert, key
	if certErr != nil {
		return changed, cli.FileError("read", c.certFile, certErr)
	}
	if keyErr != nil {
		return changed, cli.FileError("read", c.KeyFile, keyErr)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return changed, fmt.Errorf("the certificate %q and the key %q cannot be used: %s", c.certFile, c.KeyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		c.log.Warn("the certificate is not valid now: clients will refuse it", slog.String("file", c.certFile),
			slog.Time("from", pair.Leaf.NotBefore), slog.Time("until", pair.Leaf.NotAfter))
	}
	c.current.Store(&pair)
	return changed, nil
}

// Leaf returns the certificate itself.
func (c *Certificate) Leaf() *x509.Certificate { return c.current.Load().Leaf }

// Config returns a TLS configuration with the certificate.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}
