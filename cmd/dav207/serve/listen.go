package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"dav207/cmd/dav207/cli"
	"dav207/server/davpath"
)

// Listen listens on the address of --addr: HOST:PORT, unix:PATH, or the socket that systemd passed.
// Its errors say what the user can do.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	if addr == systemdAddr {
		return listenSystemd()
	}
	return listenFor(ctx, "--addr", addr)
}

// listenFor listens on the address of a flag: HOST:PORT or unix:PATH.
func listenFor(ctx context.Context, flag, addr string) (net.Listener, error) {
	if socket, ok := strings.CutPrefix(addr, unixAddr); ok {
		return listenUnix(ctx, flag, socket)
	}
	if err := checkAddr(ctx, flag, addr); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	switch unknown := (*net.DNSError)(nil); {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE), isWindows(err, wsaeaddrinuse):
		return nil, fmt.Errorf("%s is in use: choose another with %s, such as 127.0.0.1:0 for any free port", addr, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL), isWindows(err, wsaeaddrnotavail):
		return nil, fmt.Errorf("%s is not an address of this machine: choose another with %s", addr, flag)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed to listen on %s: choose another with %s, with a port above 1023", addr, flag)
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("the host of %s is not known: choose another with %s", addr, flag)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w; choose another with %s", addr, cli.Cause(err), flag)
}

// checkAddr returns a usageError if addr is no address for flag.
func checkAddr(ctx context.Context, flag, addr string) error {
	if strings.HasPrefix(addr, unixAddr) || addr == systemdAddr && flag == "--addr" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	}
	if err != nil {
		return cli.Usagef("%s %q is not an address such as 127.0.0.1:8080 or unix:/run/dav207.sock%s", flag, addr, orSystemd(flag))
	}
	return nil
}

// loopbackAddr reports whether only this machine can connect to addr, as far as it can be known
// without listening.
func loopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, notIP := netip.ParseAddr(host)
	return err != nil || host != "" && notIP != nil || notIP == nil && ip.IsLoopback()
}

const (
	systemdAddr = "systemd"
	unixAddr    = "unix:"
)

// orSystemd names the third kind of address, which only --addr has.
func orSystemd(flag string) string {
	if flag == "--addr" {
		return ", or " + systemdAddr
	}
	return ""
}

// listenSystemd returns the socket that systemd passed to this process.
func listenSystemd() (net.Listener, error) {
	sockets, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("cannot use the socket of systemd: %w", err)
	}
	if len(sockets) != 1 || sockets[0] == nil {
		return nil, cli.Usagef("--addr %s needs one listening stream socket from systemd, not %d: see systemd.socket(5)", systemdAddr, len(sockets))
	}
	return sockets[0], nil
}

// listenUnix listens on a Unix socket. A socket that a killed process has left is replaced; one on
// which a process listens is not.
func listenUnix(ctx context.Context, flag, socket string) (net.Listener, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "unix", socket)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(socket) && os.Remove(socket) == nil {
		ln, err = config.Listen(ctx, "unix", socket)
	}
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%q is in use: choose another socket with %s unix:PATH", socket, flag)
	}
	return nil, fmt.Errorf("cannot listen on the socket %q: %w; choose another with %s unix:PATH", socket, cli.Cause(err), flag)
}

// abandoned reports whether name is a socket on which no process listens.
func abandoned(name string) bool {
	info, err := os.Lstat(name)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", name)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Windows returns these for EADDRINUSE and EADDRNOTAVAIL, which package syscall does not map.
const (
	wsaeaddrinuse    = syscall.Errno(10048)
	wsaeaddrnotavail = syscall.Errno(10049)
)

func isWindows(err error, code syscall.Errno) bool {
	return runtime.GOOS == "windows" && errors.Is(err, code)
}

// baseURLs returns the URLs of the root of the server, to be printed. They end with a slash. They
// have the host of addr and the port of ln. If addr has no host or an unspecified address, there is
// one for each address that other machines can use. Characters that are special in a shell are
// escaped.
func baseURLs(scheme, addr string, ln net.Listener, mapping davpath.Mapping) (urls []string) {
	for _, host := range hosts(addr, ln) {
		root := url.URL{Scheme: scheme, Host: host}
		urls = append(urls, root.String()+shellSafe.Replace(mapping.Href(davpath.Root, true)))
	}
	return urls
}

// hosts returns where ln, which listens on addr, can be reached: there is at least one host.
func hosts(addr string, ln net.Listener) (out []string) {
	if ln.Addr().Network() == "unix" {
		return []string{"localhost"}
	}
	if addr == systemdAddr {
		addr = ln.Addr().String()
	}
	host, _, _ := net.SplitHostPort(addr)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	names := []string{host}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.Unmap().IsUnspecified() {
		at, _ := ln.Addr().(*net.TCPAddr)
		names = addressesForOthers(interfaceAddrs(), at == nil || at.IP.To4() == nil)
	}
	for _, name := range names {
		out = append(out, net.JoinHostPort(name, port))
	}
	return out
}

// interfaceAddrs returns the addresses of the interfaces that are up.
func interfaceAddrs() (addrs []net.Addr) {
	all, _ := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			more, _ := i.Addrs()
			addrs = append(addrs, more...)
		}
	}
	return addrs
}

// addressesForOthers returns the addresses that other machines can use, first those of IPv4, or
// 127.0.0.1 if there is none. Those of IPv6 are left out unless ipv6 is set: a socket for 0.0.0.0
// has none.
func addressesForOthers(addrs []net.Addr, ipv6 bool) []string {
	var four, six []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			four = append(four, n.IP.String())
		case ipv6:
			six = append(six, n.IP.String())
		}
	}
	if found := append(four, six...); len(found) > 0 {
		return found
	}
	return []string{"127.0.0.1"}
}

// maxAlso bounds the further URLs that are printed: a machine with containers has many addresses.
const maxAlso = 7

// alsoAt returns a line for each URL after the first.
func alsoAt(urls []string) string {
	var b strings.Builder
	for _, u := range urls[1:min(len(urls), 1+maxAlso)] {
		fmt.Fprintf(&b, "  also at     %s\n", u)
	}
	if more := len(urls) - 1 - maxAlso; more > 0 {
		fmt.Fprintf(&b, "  also at     %d more addresses of this machine\n", more)
	}
	return b.String()
}

// shellSafe escapes the characters of URLs that are special in a shell.
var shellSafe = strings.NewReplacer("!", "%21", "$", "%24", "(", "%28", ")", "%29", "*", "%2A", ";", "%3B")

// Loopback reports whether only this machine can connect to ln.
func Loopback(ln net.Listener) bool {
	a, ok := ln.Addr().(*net.TCPAddr)
	return !ok || a.IP.IsLoopback()
}

// MountHints returns, for each client system, a line on how to mount the server at base, which ends
// with a slash.
func MountHints(base string) string {
	rest := strings.TrimPrefix(base, "http")
	return fmt.Sprintf(`  Windows     net use * %s
  macOS       Finder, Go > Connect to Server: %s
  GNOME, KDE  gio mount dav%s   or in Dolphin: webdav%s
  Linux       sudo mount -t davfs %s /mnt   (davfs2)
`, base, base, rest, rest, base)
}
