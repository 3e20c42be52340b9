// Package java gives tests the real Hollow library, Netflix's, as a peer: it
// reads what we write, and continues histories that we began.
//
// [Start] builds HollowPeer.java once, against the library that pom.xml names,
// and starts it. [Peer.Run] has it carry out one command:
//
//	peer := java.Start(t)
//	sum := peer.Run(t, "checksum", snapshot+","+delta)
//	states := peer.Consume(t, dir, v1, v2, v1) // snapshot, delta, reverse delta
//	next := peer.Continue(t, dir)              // restores, runs a cycle
//
// HollowPeer.java lists the commands. Tests that need the peer carry the build
// tag "java"; they need a JDK, version 17 or later, and Maven.
//
// Reading order: peer.go, summary.go, build.go; then HollowPeer.java.
package java

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// Peer is a running Java process with the Hollow library. It carries out one
// command at a time; any number of goroutines may call it.
type Peer struct {
	mu      sync.Mutex
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stop    func() error  // ends the process; once
	stderr  *bytes.Buffer // complete once the process has ended
}

// ErrRefused is what a command failed with if the peer answered: the library
// refused, or the command was wrong. The text holds the reason.
var ErrRefused = errors.New("java peer refused")

// Start starts a peer that ends with the test. It fails the test if Java or
// Maven is missing: a test that asks for the peer may not pass without it.
func Start(t testing.TB) *Peer {
	t.Helper()
	classpath, err := build()
	if err != nil {
		t.Fatalf("build Java peer: %v", err)
	}
	p, err := start(classpath)
	if err != nil {
		t.Fatalf("start Java peer: %v", err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stop Java peer: %v: %s", err, p.stderr)
		}
	})
	return p
}

func start(classpath string) (*Peer, error) {
	cmd := exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", classpath, "HollowPeer", "serve")
	p := &Peer{process: cmd, stderr: &bytes.Buffer{}}
	cmd.Stderr = p.stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	p.stop = sync.OnceValue(func() error {
		return errors.Join(p.in.Close(), cmd.Wait()) // it ends with its input
	})
	return p, cmd.Start()
}

// Run carries out a command and returns what it printed. It fails the test if
// the command does.
func (p *Peer) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.Try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is Run for commands that may fail, with ErrRefused if the peer answered.
func (p *Peer) Try(args ...string) (string, error) {
	command := strings.Join(args, "\t")
	if strings.Contains(command, "\n") || strings.Count(command, "\t") != len(args)-1 {
		return "", fmt.Errorf("run Java peer: tab or newline in %q", args)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code, text, err := p.exchange(command)
	if err != nil {
		return "", fmt.Errorf("run Java peer: %w", errors.Join(err, p.stop(), errors.New(p.stderr.String())))
	}
	if code != 0 {
		return "", fmt.Errorf("%w: %q: exit code %d: %s", ErrRefused, args, code, text)
	}
	return text, nil
}

func (p *Peer) exchange(command string) (code int, text string, err error) {
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		return 0, "", fmt.Errorf("write command: %w", err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	var length int
	if _, err := fmt.Sscanf(line, "%d %d\n", &code, &length); err != nil {
		return 0, "", fmt.Errorf("read answer %q: %w", line, err)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(p.out, b); err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	return code, string(b), nil
}
