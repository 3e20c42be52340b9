package sidecar

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestCallerConnectionsOfAdmin opens more connections to the admin address from
// one host than it may have, and says nothing more on them: those that it may
// have stay, and another host, for which there would else be no room, is
// answered.
func TestCallerConnectionsOfAdmin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the second host is another address of the loopback interface, which has them all on Linux only")
	}
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxConnections, cfg.Limits.MaxCallerConnections = 3, 2
	s := start(t, cfg)
	untilReady(t, s)
	first, second := dialAdmin(t, s), dialAdmin(t, s)
	for _, c := range []net.Conn{first, second} {
		if err := livez(c); err != nil {
			t.Fatal(err)
		}
	}
	s.callers.sweep(time.Now().Add(time.Hour)) // who is connected is not forgotten
	for range 2 {
		err := livez(dialAdmin(t, s))
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("one more is not closed: %v", err)
		}
	}
	if code, text := fetch(t, s, "/livez"); code != http.StatusOK {
		t.Errorf("another host: %d %s", code, text)
	}
	if _, text := fetch(t, s, "/metrics"); !strings.Contains(text, `holdfast_calls_refused_total{limit="max_caller_connections"} 2`) {
		t.Error("the metrics do not count two refused connections")
	}
	for range 2 { // connections of gRPC are counted apart
		lookup := holdfastv1.NewLookupClient(dialFrom(t, "127.0.0.2", s.Addr()))
		if _, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}}); err != nil {
			t.Errorf("gRPC: %v", err)
		}
	}
	if err := errors.Join(livez(first), livez(second)); err != nil {
		t.Errorf("on the connections that it may have: %v", err)
	}
	first.Close()
	until(t, "room for another one", func() bool { return livez(dialAdmin(t, s)) == nil })
}

// dialAdmin connects to the admin address from another host than fetch does.
func dialAdmin(t *testing.T, s *Sidecar) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
	c, err := d.DialContext(t.Context(), "tcp", s.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// livez asks for a page on a connection, which stays open.
func livez(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err
}
