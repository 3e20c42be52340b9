package sidecar

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// processVariable makes the test binary a sidecar: its value is a configuration
// file.
const processVariable = "HOLDFAST_TEST_SIDECAR"

// runProcess serves what a configuration file says, and ends the process.
func runProcess(file string) {
	ctx, stop := daemon.StopSignals(context.Background())
	defer stop()
	cfg := DefaultConfig()
	_, err := daemon.Load(&cfg, daemon.Sources{File: file})
	if err == nil {
		var s *Sidecar
		if s, err = Open(ctx, cfg, Options{Logger: slog.New(slog.DiscardHandler)}); err == nil {
			fmt.Println(s.GossipAddr())
			err = s.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// process is a sidecar in a process of its own, on a Unix socket.
type process struct {
	cmd    *exec.Cmd
	gossip string
	client holdfastv1.LookupClient
}

// startProcess starts a sidecar of the store with a configuration of gossip.
func startProcess(t *testing.T, store, socket, gossip string, poll time.Duration) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := fmt.Sprintf("datasets: [{name: usage, store: %q}]\nlisten: ''\nsocket: %q\nadmin: ''\npoll: %s\ngossip: {bind: '127.0.0.1:0', %s}\n",
		store, socket, poll, gossip)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0]), client: holdfastv1.NewLookupClient(dial(t, "unix:"+socket))}
	p.cmd.Env = append(os.Environ(), processVariable+"="+file)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("the process says nothing: %v", err)
	}
	p.gossip = strings.TrimSpace(string(line[:n]))
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	_ = p.cmd.Wait()         // that it was killed is no news
}

// at says whether the process serves a version, waiting for the process.
func (p *process) at(t *testing.T, v dataset.Version) bool {
	got, err := p.client.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}}, grpc.WaitForReady(true))
	return err == nil && got.GetVersion() == v.String()
}

// TestProcesses has five sidecars of which four look at the store only when
// they hear of news. One is killed, and its successor takes the socket.
func TestProcesses(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v := p.publish(usage(1, 1)...)
	folder, join, poll := t.TempDir(), "", 20*time.Millisecond
	socket := func(i int) string { return filepath.Join(folder, fmt.Sprint(i)) }
	var all []*process
	for i := range 5 {
		all = append(all, startProcess(t, store.Root(), socket(i), "cluster: test, join: ["+join+"]", poll))
		join, poll = "'"+all[0].gossip+"'", time.Hour
	}
	everywhere := func(what string) {
		t.Helper()
		for i, x := range all {
			// A hint can miss a member. It comes when members exchange all that they
			// know, each half a minute, for the first time within a minute.
			within(t, 75*time.Second, fmt.Sprintf("%s in process %d", what, i), func() bool { return x.at(t, v) })
		}
	}
	everywhere("the first version")
	for i, x := range all { // who does not know another one cannot tell it
		within(t, 75*time.Second, fmt.Sprintf("five members in process %d", i), func() bool {
			s, err := x.client.Status(t.Context(), &holdfastv1.StatusRequest{})
			return err == nil && s.GetGossipMembers() == 5
		})
	}
	v = p.publish(usage(1, 2)...)
	everywhere("the second version")

	all[3].kill()
	if _, err := os.Lstat(socket(3)); err != nil {
		t.Fatalf("a killed process leaves its socket: %v", err)
	}
	old := all[3].client
	all[3] = startProcess(t, store.Root(), socket(3), "cluster: test, join: ["+join+"]", time.Hour)
	all[3].client = old // which was connected to the dead one
	everywhere("after a kill, the second version")
	v = p.publish(usage(1, 3)...)
	everywhere("the third version")
}
