package daemon

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadSocket leaves a socket that nobody listens on.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	deadSocket(t, path)
	l, err := ListenUnix(path)
	if err != nil {
		t.Fatalf("a dead socket is replaced: %v", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode is %o, want 600", got)
	}
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	if _, err := ListenUnix(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("a live socket: got %v, want ErrInUse", err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, info) {
		t.Errorf("the live socket was touched: %v", err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("closing left the file: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("files are left: %v", entries)
	}
}

func TestUnixSocketIsNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(path); !errors.Is(err, ErrNotSocket) || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("got %v, want ErrNotSocket", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file is now %q", b)
	}
	if _, err := ListenUnix(filepath.Join(t.TempDir(), strings.Repeat("x", 120))); err == nil {
		t.Error("a path that is too long was accepted")
	}
	if _, err := ListenUnix(filepath.Join(t.TempDir(), "none", "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: got %v", err)
	}
}

func TestUnixSocketSuccessorIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path) // as a restart does that takes the path over
	next, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}

func TestUnixSocketHasOneWinner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	deadSocket(t, path)
	var wg sync.WaitGroup
	won := make(chan net.Listener, 16)
	for range cap(won) {
		wg.Go(func() {
			if l, err := ListenUnix(path); err == nil {
				won <- l
			} else if !errors.Is(err, ErrInUse) {
				t.Errorf("lost with %v", err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Errorf("%d listeners won, want 1", len(won))
	}
	for l := range won {
		l.Close()
	}
}

func TestBusyPort(t *testing.T) {
	l, err := ListenTCP("127.0.0.1:0", "listen")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = ListenTCP(l.Addr().String(), "gossip.bind")
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--gossip-bind") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if _, err := ListenTCP("nonsense", "listen"); err == nil || errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

func TestAdmin(t *testing.T) {
	ready := errors.New("usage is loading")
	a := NewAdmin(AdminConfig{
		Logger: slog.New(slog.DiscardHandler), Gatherer: NewRegistry(),
		Ready:  func(*http.Request) error { return ready },
		Status: func(*http.Request) any { return map[string]int{"n": 1} },
	})
	l, err := ListenTCP("127.0.0.1:0", "admin")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- a.Serve(l) }()
	get := func(path string) (int, string) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	for _, c := range []struct {
		path string
		code int
		text string
	}{
		{"/livez", 200, "alive"}, {"/readyz", 503, "usage is loading"}, {"/status", 200, `"n": 1`},
		{"/metrics", 200, "go_goroutines"}, {"/debug/pprof/", 404, ""}, {"/", 404, ""},
	} {
		if code, text := get(c.path); code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%s: got %d %.80q, want %d %q", c.path, code, text, c.code, c.text)
		}
	}
	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Host = "evil.example:7511"
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := client.Do(foreign); err != nil || res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	ready = nil
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("/readyz: got %d, want 200", code)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStopGracefully(t *testing.T) {
	if !StopGracefully(time.Minute, func() {}, func() { t.Error("forced") }) {
		t.Error("a stop in time was called forced")
	}
	block := make(chan struct{})
	if StopGracefully(0, func() { <-block }, func() { close(block) }) {
		t.Error("a forced stop was called graceful")
	}
}
