package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"dav207/server/middleware"
)

// openUsers reads the file of --users. It returns nil if file is empty.
func openUsers(file string, log *slog.Logger) (*middleware.Users, error) {
	if file == "" {
		return nil, nil
	}
	users, err := middleware.OpenUsers(file, log)
	if system := (*fs.PathError)(nil); errors.As(err, &system) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf(`there is no file %q: make it with "dav207 passwd FILE NAME"`, file)
		}
		return nil, fileError("read", file, err)
	}
	if err != nil {
		return nil, fmt.Errorf(`%q is not a file of users: %w; "dav207 passwd FILE NAME" writes such lines`, file, err)
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
// passwords that cross the network unencrypted, and the flags do not allow that.
func (o *serveOptions) exposed(ln net.Listener) error {
	proxied := len(o.proxies) > 0
	for _, u := range o.public {
		proxied = proxied || u.Scheme == "https"
	}
	switch {
	case loopback(ln) || proxied:
		return nil
	case o.users == "" && !o.anonymous:
		return usagef("anybody who reaches %s could %s without a password: give --users FILE, or --anonymous if that is meant", o.addr, o.change())
	case o.users != "" && !o.tls.given() && !o.insecureBasic:
		return usagef("passwords would cross the network to %s as they are: give --tls-self-signed, or --tls-cert and --tls-key, "+
			"or --insecure-basic if nobody else listens", o.addr)
	}
	return nil
}
