package main

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
)

// certificate is a TLS certificate and its key, from two files or one. It rereads the files when
// they change. While they are not valid, or do not match each other, it keeps the previous
// certificate.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu        sync.Mutex // held by the handshake that checks the files; others do not wait for it
	checked   time.Time
	cert, key []byte // contents read last, valid or not
}

// checkEvery is the least time between two checks of the files.
const checkEvery = 2 * time.Second

// openCertificate reads the files. It returns an error if they are not valid.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, checked: time.Now()}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
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
func (c *certificate) read() (changed bool, err error) {
	cert, _, certErr := readFile(c.certFile)
	key, _, keyErr := readFile(c.keyFile)
	if certErr == nil && keyErr == nil && c.current.Load() != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	changed = c.current.Load() == nil || !bytes.Equal(cert, c.cert) || !bytes.Equal(key, c.key)
	c.cert, c.key = cert, key
	if certErr != nil {
		return changed, fileError("read", c.certFile, certErr)
	}
	if keyErr != nil {
		return changed, fileError("read", c.keyFile, keyErr)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return changed, fmt.Errorf("the certificate %q and the key %q cannot be used: %s", c.certFile, c.keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		c.log.Warn("the certificate is not valid now: clients will refuse it", slog.String("file", c.certFile),
			slog.Time("from", pair.Leaf.NotBefore), slog.Time("until", pair.Leaf.NotAfter))
	}
	c.current.Store(&pair)
	return changed, nil
}

// leaf returns the certificate itself.
func (c *certificate) leaf() *x509.Certificate { return c.current.Load().Leaf }

// config returns a TLS configuration with the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// tlsOptions are the flags of TLS.
type tlsOptions struct {
	cert, key  string
	selfSigned bool
}

// given reports whether the flags ask for TLS.
func (o *tlsOptions) given() bool { return o.selfSigned || o.cert != "" }

// check returns a usageError for flags that exclude each other.
func (o *tlsOptions) check() error {
	switch {
	case o.selfSigned && (o.cert != "" || o.key != ""):
		return usagef("serve takes --tls-self-signed or --tls-cert and --tls-key, not both")
	case (o.cert == "") != (o.key == ""):
		return usagef("--tls-cert and --tls-key go together")
	}
	return nil
}

// open returns the certificate, or nil without TLS, and instructions for the user.
func (o *tlsOptions) open(addr string, public publicURLs, log *slog.Logger) (*certificate, string, error) {
	switch {
	case o.selfSigned:
		return openSelfSigned(addr, public, log)
	case o.cert == "":
		return nil, "", nil
	}
	c, err := openCertificate(o.cert, o.key, log)
	return c, "", err
}
