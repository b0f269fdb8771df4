package main

import (
	"net/url"
	"strings"

	"dav207/server/middleware"
)

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

// collects lets parseOnce accept more than one.
func (o *corsOrigins) collects() {}

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
