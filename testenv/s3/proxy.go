package s3

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

// Proxy stands before the server, at an address of its own, until stop. It
// calls before with every request, and after, unless it is nil, with every
// request that the server has answered; the client gets the answer then.
func (s *Server) Proxy(before, after func(*http.Request)) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("find a port for a proxy: %w", err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.address})
	forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	if after != nil {
		forward.ModifyResponse = func(r *http.Response) error { after(r.Request); return nil }
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		forward.ServeHTTP(w, r)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	return l.Addr().String(), func() {
		_ = server.Close() // nobody needs its connections any more
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "proxy:", err)
		}
	}, nil
}

// distance is how much longer a distant server takes to answer: long enough for
// others, on a busy machine too, to see what was written and to act on it.
const distance = 100 * time.Millisecond

// Distant is a Proxy that makes the server seem far away: answers to writes of
// manifests and log entries take 100 ms longer. So a writer can be harmed after
// the server has done what it asked for, and before it knows.
func (s *Server) Distant() (address string, stop func(), err error) {
	return s.Proxy(func(*http.Request) {}, func(r *http.Request) {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/versions/") && !strings.Contains(r.URL.Path, "/log/") {
			return
		}
		select {
		case <-r.Context().Done(): // the client is gone
		case <-time.After(distance):
		}
	})
}
