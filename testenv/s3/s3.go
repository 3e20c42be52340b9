// Package s3 runs a real S3 server, versitygw, on a free port and a temporary
// folder, and runs on it what the rest of Holdfast's tests run on folders. It
// is a module of its own, so that what the server depends on stays out of
// Holdfast's.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	accessKey = "holdfast-test"
	secretKey = "not-a-secret-0123456789"
	bucket    = "holdfast"
)

// Server is a running server. Make one with Start.
type Server struct {
	binary, dir, address string
	process              *exec.Cmd
	ended                chan error
}

// Build builds the server into a folder and returns its path. The first time
// takes minutes.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "versitygw")
	c := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/versity/versitygw/cmd/versitygw")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the S3 server: %w\n%s", err, out)
	}
	return binary, nil
}

// Run starts the server that Build has built, with one empty bucket in a
// folder, and sets the environment that clients in this process and its
// children take their credentials from. Kill ends it.
func Run(binary, dir string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port for the S3 server: %w", err)
	}
	s := &Server{binary: binary, dir: dir, address: l.Addr().String()}
	l.Close()
	if err := os.Mkdir(filepath.Join(s.dir, bucket), 0o755); err != nil {
		return nil, fmt.Errorf("make a bucket: %w", err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
	if err := s.start(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// Start is Run for a test, which ends the server.
func Start(t testing.TB, binary string) *Server {
	t.Helper()
	s, err := Run(binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// Restart starts the server again, after Kill, where it was.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// start starts the server and waits until it answers.
func (s *Server) start() error {
	c := exec.Command(s.binary, "--quiet", "--port", s.address, "--health", "/health", "posix", s.dir)
	c.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the S3 server: %w", err)
	}
	s.process, s.ended = c, make(chan error, 1)
	go func(ended chan<- error) { ended <- c.Wait(); close(ended) }(s.ended)
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer, err := http.Get("http://" + s.address + "/health")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(answer.Status)
		}
		select {
		case err := <-s.ended:
			return errors.Join(errors.New("the S3 server ended"), err)
		case <-time.After(20 * time.Millisecond): // it is a process
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the S3 server does not answer: %w", err)
		}
	}
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended
	_ = <-s.ended                // killed
	s.process = nil
}

// Address is host:port of the server.
func (s *Server) Address() string { return s.address }

// URL returns the location of a store in the bucket, below a prefix; address
// is the server's or that of a proxy before it.
func (s *Server) URL(prefix, address string) string {
	return "s3://" + bucket + "/" + prefix + "?" + url.Values{
		"region": {"us-east-1"}, "use_path_style": {"true"}, "endpoint": {"http://" + address},
	}.Encode()
}
