package cli

import (
	"io"
	"log/slog"

	"dav207/server/middleware"
)

// NewLogger returns a logger with a format of --log and a level of --log-level. Each line about a
// request has the address of its client.
func NewLogger(w io.Writer, format, level string) *slog.Logger {
	var opts slog.HandlerOptions
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err == nil {
		opts.Level = least
	}
	if format == "json" {
		return slog.New(middleware.WithRemote(slog.NewJSONHandler(w, &opts)))
	}
	return slog.New(middleware.WithRemote(slog.NewTextHandler(w, &opts)))
}
