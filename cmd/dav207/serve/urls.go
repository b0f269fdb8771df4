package serve

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"dav207/server/davpath"
	"dav207/server/middleware"
)

// publicURLs is a flag that collects the URLs of the root of the tree as clients use them, behind a
// proxy.
type publicURLs []*url.URL

// String implements pflag.Value.
func (p *publicURLs) String() string {
	var all []string
	for _, u := range *p {
		all = append(all, u.String())
	}
	return strings.Join(all, " ")
}

// Collects lets parseOnce accept more than one.
func (p *publicURLs) Collects() {}

// Type implements pflag.Value.
func (p *publicURLs) Type() string { return "URL" }

// Set implements pflag.Value.
func (p *publicURLs) Set(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return errors.New("must be a whole URL such as https://example.com/files/")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return errors.New("must end with the path, and name no user")
	}
	path, err := davpath.Mapping{}.Parse(u.EscapedPath())
	if err != nil {
		return errors.New("must have a path that can be one of a collection")
	}
	// Hrefs are paths (RFC 4918 §8.3), so there can be only one for all hosts.
	if len(*p) > 0 && davpath.Must((*p)[0].Path) != path {
		return errors.New("must have the path of the other public URL")
	}
	*p = append(*p, u)
	return nil
}

// base returns the first URL in the form of baseURL, or none if there is no URL.
func (p publicURLs) base(none string) string {
	if len(p) == 0 {
		return none
	}
	root := url.URL{Scheme: p[0].Scheme, Host: p[0].Host}
	return root.String() + shellSafe.Replace(davpath.Mapping{}.Href(davpath.Must(p[0].Path), true))
}

// proxies is a flag that collects addresses of proxies: single ones, and networks.
type proxies []netip.Prefix

// String implements pflag.Value.
func (p *proxies) String() string {
	var all []string
	for _, n := range *p {
		all = append(all, n.String())
	}
	return strings.Join(all, " ")
}

// Collects lets parseOnce accept more than one.
func (p *proxies) Collects() {}

// Type implements pflag.Value.
func (p *proxies) Type() string { return "IP|CIDR" }

// Set implements pflag.Value.
func (p *proxies) Set(s string) error {
	addr, err := netip.ParseAddr(s)
	if err == nil && addr.Zone() == "" {
		addr = addr.Unmap() // as the server does with addresses of clients
		*p = append(*p, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	network, err := netip.ParsePrefix(s)
	if err != nil || network.Addr().Is4In6() {
		return errors.New("must be an address or a network such as 192.0.2.1 or 192.0.2.0/24")
	}
	*p = append(*p, network.Masked())
	return nil
}

// corsOrigins is a flag that collects origins.
type corsOrigins []*url.URL

// String implements pflag.Value.
func (o *corsOrigins) String() string {
	var all []string
	for _, u := range *o {
		all = append(all, u.String())
	}
	return strings.Join(all, " ")
}

// Collects lets parseOnce accept more than one.
func (o *corsOrigins) Collects() {}

// Type implements pflag.Value.
func (o *corsOrigins) Type() string { return "URL" }

// Set implements pflag.Value.
func (o *corsOrigins) Set(s string) error {
	u, err := middleware.ParseOrigin(s)
	if err == nil {
		*o = append(*o, u)
	}
	return err
}
