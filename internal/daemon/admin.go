package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminConfig says what an Admin answers.
type AdminConfig struct {
	Logger *slog.Logger
	// Gatherer feeds /metrics.
	Gatherer prometheus.Gatherer
	// Ready feeds /readyz: nil means ready, an error says why not.
	Ready func(*http.Request) error
	// Status feeds /status; it is written as JSON.
	Status func(*http.Request) any
	// Around, if not nil, wraps the handler of all pages.
	Around func(http.Handler) http.Handler
	// Profile adds /debug/pprof.
	Profile bool
}

// Admin is the HTTP server for operators and their tools: /livez, /readyz,
// /status and /metrics. It is meant for the loopback interface.
type Admin struct {
	mux    *http.ServeMux
	server *http.Server
}

// The limits of an Admin's connections.
const (
	adminReadTimeout  = 10 * time.Second
	adminWriteTimeout = time.Minute
	adminIdleTimeout  = 2 * time.Minute
	adminHeaderBytes  = 16 << 10
)

// NewAdmin returns a server that listens on nothing yet.
func NewAdmin(cfg AdminConfig) *Admin {
	a := &Admin{mux: http.NewServeMux()}
	var pages http.Handler = a.mux
	if cfg.Around != nil {
		pages = cfg.Around(pages)
	}
	a.server = &http.Server{
		Handler: localOnly(pages), ReadHeaderTimeout: adminReadTimeout, ReadTimeout: adminReadTimeout,
		WriteTimeout: adminWriteTimeout, IdleTimeout: adminIdleTimeout, MaxHeaderBytes: adminHeaderBytes,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	a.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	a.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.Ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	a.mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { WriteJSON(w, http.StatusOK, cfg.Status(r)) })
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{ErrorLog: a.server.ErrorLog}))
	if cfg.Profile {
		a.mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		a.mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		a.mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		a.mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return a
}

// localOnly refuses requests to the loopback interface under a foreign name:
// a web page can make a name of its own lead there, to read what is not for it.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if local != nil && local.IP.IsLoopback() && host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			http.Error(w, "ask for it by an IP address or localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// WriteJSON answers with an HTTP code and v, indented for a person.
func WriteJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, fmt.Sprintf("encode answer: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(b, '\n')) // an error means that the client is gone
}

// Handle adds a page, by a pattern of http.ServeMux.
func (a *Admin) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// Serve answers on l until Shutdown, and then returns nil. It closes l.
func (a *Admin) Serve(l net.Listener) error {
	if err := a.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}

// Shutdown waits for requests under way until ctx ends, then drops them.
func (a *Admin) Shutdown(ctx context.Context) error {
	if err := a.server.Shutdown(ctx); err != nil {
		return errors.Join(err, a.server.Close())
	}
	return nil
}
