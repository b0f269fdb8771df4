package serve

import (
	"log/slog"

	"dav207/cmd/dav207/certificate"
	"dav207/cmd/dav207/cli"
)

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
		return cli.Usagef("serve takes --tls-self-signed or --tls-cert and --tls-key, not both")
	case (o.cert == "") != (o.key == ""):
		return cli.Usagef("--tls-cert and --tls-key go together")
	}
	return nil
}

// open returns the certificate, or nil without TLS, and instructions for the user.
func (o *tlsOptions) open(addr string, public publicURLs, log *slog.Logger) (*certificate.Certificate, string, error) {
	switch {
	case o.selfSigned:
		return certificate.OpenSelfSigned(addr, public, log)
	case o.cert == "":
		return nil, "", nil
	}
	c, err := certificate.Open(o.cert, o.key, log)
	return c, "", err
}
