package daemon

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes to w, which is standard error in a
// command. level is debug, info, warn or error, format is text or json.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is not debug, info, warn or error: %w", level, ErrConfig)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q is not text or json: %w", format, ErrConfig)
}
