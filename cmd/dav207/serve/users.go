package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"dav207/cmd/dav207/cli"
	"dav207/server/middleware"
)

// loginOptions are the flags that say who is let in, and how they log in.
type loginOptions struct{ users, digestUsers, authHeader, clientCA string }

// given reports whether anybody has to log in.
func (o *loginOptions) given() bool { return *o != (loginOptions{}) }

// check returns a usageError for flags that need others.
func (o *loginOptions) check(proxies proxies, tls bool) error {
	switch {
	case o.authHeader != "" && len(proxies) == 0:
		return cli.Usagef("--auth-header is believed only from a --trusted-proxy: give the address of yours")
	case o.authHeader != "" && !isFieldName(o.authHeader):
		return cli.Usagef("--auth-header %q is not the name of a header field such as Remote-User, or one that has another meaning", o.authHeader)
	case o.clientCA != "" && !tls:
		return cli.Usagef("--client-ca needs TLS: give --tls-cert and --tls-key, or --tls-self-signed")
	}
	return nil
}

// isFieldName reports whether name is a token (RFC 9110 §5.1) and not a field that every request
// has, or that proxies set to something else.
func isFieldName(name string) bool {
	if strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
	}) {
		return false
	}
	switch name = http.CanonicalHeaderKey(name); name {
	case "Authorization", "Connection", "Content-Length", "Cookie", "Depth", "Destination", "Expect", "Forwarded", "Host", "If", "Transfer-Encoding":
		return false
	}
	return true
}

// String returns who is let in, for the line that is printed at the start.
func (o *loginOptions) String() (s string) {
	if o.users != "" {
		s += ", to the users in " + cli.Show(o.users)
	}
	if o.digestUsers != "" {
		s += ", to the users in " + cli.Show(o.digestUsers) + " by Digest"
	}
	if o.authHeader != "" {
		s += ", to the users that a proxy names in " + http.CanonicalHeaderKey(o.authHeader)
	}
	if o.clientCA != "" {
		s += ", to the users with a certificate of " + cli.Show(o.clientCA)
	}
	return s
}

// open returns the middleware that lets in the users, or nil if nobody has to log in. It sets in
// opts the ways to log in.
func (o *loginOptions) open(opts middleware.AuthOptions) (_ func(http.Handler) http.Handler, err error) {
	if !o.given() {
		return nil, nil
	}
	opts.Certificates, opts.Header = o.clientCA != "", o.authHeader
	if o.digestUsers != "" {
		if opts.DigestUsers, err = openUsers("--digest-users", o.digestUsers, "passwd --digest", middleware.OpenDigestUsers, opts.Logger); err != nil {
			return nil, err
		}
	}
	if o.users != "" {
		if opts.Users, err = openUsers("--users", o.users, "passwd", middleware.OpenUsers, opts.Logger); err != nil {
			return nil, err
		}
	}
	return middleware.Authenticate(opts), nil
}

// askCertificates has clients asked for a certificate that one of --client-ca signed. They need not
// have one if their users can log in by other means, or can be guests after a reload.
func (o *settings) askCertificates(config *tls.Config) error {
	if o.clientCA == "" {
		return nil
	}
	text, _, err := cli.ReadFile(o.clientCA)
	if err != nil {
		return cli.FileError("read", o.clientCA, err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("there is no certificate in %q: --client-ca takes those of certificate authorities, in PEM", o.clientCA)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if o.loginOptions == (loginOptions{clientCA: o.clientCA}) && o.guests.Value == noGuests && o.config == "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

// openUsers reads the file of users of a flag. command is that which writes such files.
func openUsers[T any](flag, file, command string, open func(string, *slog.Logger) (*T, error), log *slog.Logger) (*T, error) {
	users, err := open(file, log)
	if system := (*fs.PathError)(nil); errors.As(err, &system) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf(`there is no file %q for %s: make it with "dav207 %s FILE NAME"`, file, flag, command)
		}
		return nil, cli.FileError("read", file, err)
	}
	if err != nil {
		return nil, fmt.Errorf(`%s %q is not a file of users: %w; "dav207 %s FILE NAME" writes such lines`, flag, file, err, command)
	}
	return users, nil
}

// outside returns an error if file is in the served directory, where clients could read or replace
// it.
func outside(dir, flag, file string) error {
	served, err := os.Stat(dir)
	if err != nil || file == "" {
		return nil // reported elsewhere
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	// Both the file itself, which may be a link, and its target.
	names := []string{abs}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		names = append(names, real)
	} else if real, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil { // the file does not exist yet
		names = append(names, filepath.Join(real, filepath.Base(abs)))
	}
	for _, name := range names {
		for at := filepath.Dir(name); ; at = filepath.Dir(at) {
			if info, err := os.Stat(at); err == nil && os.SameFile(info, served) {
				return fmt.Errorf("%s %q is in the directory that is served, where clients could read it: keep it elsewhere", flag, file)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return nil
}

// exposed returns an error if other machines can reach the server without a password, or with
// passwords that cross the network unencrypted, and the flags do not allow that. loopback says that
// only this machine can connect.
func (o *serveOptions) exposed(loopback bool) error {
	proxied := len(o.proxies) > 0
	for _, u := range o.public {
		proxied = proxied || u.Scheme == "https"
	}
	switch {
	case loopback || proxied:
		return nil
	case !o.loginOptions.given() && !o.anonymous:
		return cli.Usagef("anybody who reaches --addr %s could %s without a password: give --users FILE, or --anonymous if that is meant", o.addr, o.change())
	case o.users != "" && !o.tls.given() && !o.insecureBasic:
		return cli.Usagef("passwords would cross the network to --addr %s as they are: give --tls-self-signed, or --tls-cert and --tls-key, "+
			"or --insecure-basic if nobody else listens", o.addr)
	}
	return nil
}
