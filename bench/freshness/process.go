package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// cluster is the name of the cluster of those that gossip.
const cluster = "freshness"

// patience bounds how long anything is waited for.
const patience = 30 * time.Second

// sidecar is one process of holdfast run.
type sidecar struct {
	cmd     *exec.Cmd
	begun   time.Time
	admin   string // http://…
	conn    *grpc.ClientConn
	lookup  holdfastv1.LookupClient
	session holdfastv1.SessionsClient
}

var listening = regexp.MustCompile(`look-ups on (\S+), admin on (\S+)`)

// sidecarConfig is the file that a sidecar reads; all else is at its default.
const sidecarConfig = `datasets:
  - name: %s
    store: %s
listen: 127.0.0.1:0
admin: 127.0.0.1:0
`

// startSidecar starts a sidecar and waits until it listens. join is nil if it
// does not gossip.
func (b *bench) startSidecar(ctx context.Context, store string, join []string) (*sidecar, error) {
	text := fmt.Sprintf(sidecarConfig, items, store)
	if join != nil {
		text += fmt.Sprintf("gossip:\n  cluster: %s\n  bind: 127.0.0.1:0\n  join: [%s]\n", cluster, strings.Join(join, ", "))
	}
	file := filepath.Join(filepath.Dir(store), "sidecar.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &sidecar{cmd: exec.CommandContext(ctx, b.holdfast, "run", "--config", file), begun: time.Now()}
	errs, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(errs)
	var said strings.Builder
	for s.conn == nil {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if m := listening.FindStringSubmatch(line); m != nil {
			s.admin = m[2]
			if s.conn, err = grpc.NewClient(m[1], grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
				return nil, errors.Join(err, s.stop())
			}
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("sidecar does not listen: %s", &said), s.stop())
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the process
	s.lookup, s.session = holdfastv1.NewLookupClient(s.conn), holdfastv1.NewSessionsClient(s.conn)
	return s, nil
}

// stop ends the process.
func (s *sidecar) stop() error {
	if s.conn != nil {
		s.conn.Close() // the process ends anyway
	}
	return end(s.cmd)
}

// end ends a process in order, or kills it.
func end(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// status is the part of /status that is measured.
type status struct {
	Ready    bool
	Datasets []struct {
		Version, Announced, State, Error, Why string
		Ready                                 bool
		AgeMS                                 int64 `json:"age_ms"`
		Records                               int
	}
	Gossip struct {
		Address string
		Members int
	}
}

func (s *sidecar) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func (s *sidecar) status(ctx context.Context) (status, error) {
	var out status
	text, err := s.get(ctx, "/status")
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	return out, err
}

// metric returns the value of a metric without labels.
func (s *sidecar) metric(ctx context.Context, name string) (float64, error) {
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// look looks the marked record up: the version that answered, and its number.
func (s *sidecar) look(ctx context.Context) (version string, number int64, err error) {
	r, err := s.lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: items, Key: []string{mark}})
	if err != nil {
		return "", 0, err
	}
	var x struct {
		Count int64 `json:",string"`
	}
	err = json.Unmarshal([]byte(r.GetRecord().GetJson()), &x)
	return r.GetVersion(), x.Count, err
}

// await waits until ready says so.
func (s *sidecar) await(ctx context.Context, what string, ready func(status) bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		at, err := s.status(ctx)
		if err == nil && ready(at) {
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	at, err := s.status(ctx)
	return errors.Join(fmt.Errorf("sidecar is not %s after %s: %+v", what, patience, at), err)
}

// at says whether a status is of a sidecar that is ready at a version.
func (s status) at(version string) bool {
	return s.Ready && len(s.Datasets) == 1 && s.Datasets[0].Version == version
}

// startSidecars starts three of them, which are a cluster if they gossip, and
// waits until they are ready.
func (b *bench) startSidecars(ctx context.Context, store string, gossip bool) (all []*sidecar, join []string, err error) {
	for range 3 {
		if gossip && join == nil {
			join = []string{}
		}
		s, err := b.startSidecar(ctx, store, join)
		if err != nil {
			return nil, nil, errors.Join(err, stopAll(all))
		}
		all = append(all, s)
		at, err := s.status(ctx)
		if err == nil && gossip {
			join = append(join, at.Gossip.Address)
		}
		if err != nil {
			return nil, nil, errors.Join(err, stopAll(all))
		}
	}
	for _, s := range all {
		err := s.await(ctx, "ready", func(at status) bool { return at.Ready && (!gossip || at.Gossip.Members >= len(all)) })
		if err != nil {
			return nil, nil, errors.Join(err, stopAll(all))
		}
	}
	return all, join, nil
}

func stopAll(all []*sidecar) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

// producer is a process that publishes when it is told to.
type producer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startProducer starts this command's own producer; from is the number of the
// version that is there already.
func (b *bench) startProducer(ctx context.Context, store string, from int64, join []string, args ...string) (*producer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append([]string{"produce", "-store", store, "-seed", fmt.Sprint(b.seed), "-from", fmt.Sprint(from)}, args...)
	if join != nil {
		args = append(args, "-cluster", cluster, "-join", strings.Join(join, ","))
	}
	p := &producer{cmd: exec.CommandContext(ctx, self, args...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	return p, p.cmd.Start()
}

// publish makes n versions.
func (p *producer) publish(n int) (d done, err error) {
	if _, err := fmt.Fprintln(p.in, n); err != nil {
		return d, err
	}
	if err := p.out.Decode(&d); err != nil {
		return d, fmt.Errorf("producer: %w", err)
	}
	return d, nil
}

func (p *producer) stop() error {
	p.in.Close() // it ends then
	return end(p.cmd)
}

// command runs a command of holdfast to its end and returns what it printed.
func (b *bench) command(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, b.holdfast, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("holdfast %s: %w: %s", args[0], err, exit.Stderr)
	}
	return out, err
}

// resident returns the resident memory of a process, and what of it is not
// pages of files such as its own program, in bytes.
func resident(pid int) (all, anonymous int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	size := func(name string) int64 {
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				kib, parseErr := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
				err = errors.Join(err, parseErr)
				return kib << 10
			}
		}
		err = errors.Join(err, fmt.Errorf("process %d has no %s", pid, name))
		return 0
	}
	all, anonymous = size("VmRSS"), size("RssAnon")
	return all, anonymous, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
