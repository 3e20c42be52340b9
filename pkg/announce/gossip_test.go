package announce_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// member is a Gossip on loopback whose hints arrive in a channel.
type member struct {
	*announce.Gossip
	hints chan announce.Hint
}

func newMember(t *testing.T, config announce.GossipConfig) member {
	t.Helper()
	m := member{hints: make(chan announce.Hint, 1000)}
	if config.Cluster == "" {
		config.Cluster = "test"
	}
	config.Bind, config.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	config.OnHint = func(h announce.Hint) { m.hints <- h }
	g, err := announce.NewGossip(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	m.Gossip = g
	return m
}

const patience = 10 * time.Second

// wait polls a real cluster until ok.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// want waits for a hint.
func (m member) want(t *testing.T, want announce.Hint) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case h := <-m.hints:
			if h == want {
				return
			}
		case <-timeout:
			t.Fatalf("hint %v did not arrive", want)
		}
	}
}

func TestGossip(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	a := newMember(t, announce.GossipConfig{Key: key})
	early := announce.Hint{Dataset: "early", Position: 3, Version: 30}
	a.Announce(early)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newMember(t, announce.GossipConfig{KeyFile: file, Join: []string{"127.0.0.1:1", a.Addr()}})
	c := newMember(t, announce.GossipConfig{Key: key, Join: []string{b.Addr()}})
	for _, m := range []member{a, b, c} {
		wait(t, "three members", func() bool { return m.Members() == 3 })
	}
	b.want(t, early) // who joins hears what was before

	h := announce.Hint{Dataset: "usage", Position: 1, Version: 10}
	start := time.Now()
	a.Announce(h)
	b.want(t, h)
	c.want(t, h)
	t.Logf("a hint took %v to both", time.Since(start))
	b.Confirm(h)
	next := announce.Hint{Dataset: "usage", Position: 2, Version: 20}
	c.Announce(next)
	a.want(t, next)
	b.want(t, next)
}

func TestGossipStrangers(t *testing.T) {
	a := newMember(t, announce.GossipConfig{Key: bytes.Repeat([]byte{7}, 16)})
	other := newMember(t, announce.GossipConfig{Cluster: "other", Key: bytes.Repeat([]byte{7}, 16), Join: []string{a.Addr()}})
	unkeyed := newMember(t, announce.GossipConfig{Join: []string{a.Addr()}})
	b := newMember(t, announce.GossipConfig{Key: bytes.Repeat([]byte{7}, 16), Join: []string{other.Addr(), unkeyed.Addr(), a.Addr()}})
	wait(t, "the two of one cluster and key", func() bool { return a.Members() == 2 && b.Members() == 2 })
	if other.Members() != 1 || unkeyed.Members() != 1 {
		t.Errorf("strangers have %d and %d members, want 1 each", other.Members(), unkeyed.Members())
	}
}

// Whoever joins later hears only what a member has confirmed.
func TestGossipDoesNotPassOnHearsay(t *testing.T) {
	a := newMember(t, announce.GossipConfig{})
	liar := newMember(t, announce.GossipConfig{Join: []string{a.Addr()}})
	wait(t, "two members", func() bool { return a.Members() == 2 })
	forged := announce.Hint{Dataset: "usage", Position: 1 << 40, Version: 1 << 50}
	liar.Announce(forged)
	a.want(t, forged) // worth a look
	if err := liar.Close(); err != nil {
		t.Fatal(err)
	}
	true1 := announce.Hint{Dataset: "usage", Position: 1, Version: 10}
	a.Confirm(true1)
	b := newMember(t, announce.GossipConfig{Join: []string{a.Addr()}})
	b.want(t, true1)
	select {
	case h := <-b.hints:
		t.Errorf("%v was passed on", h)
	default:
	}
}

func TestGossipConfigRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("secret, not base64"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]announce.GossipConfig{
		"cluster name":       {Bind: "127.0.0.1:0"},
		"a key is required":  {Cluster: "c", Bind: "0.0.0.0:0"},
		"use an IP address":  {Cluster: "c", Bind: "example.org:1"},
		"missing port":       {Cluster: "c", Bind: "127.0.0.1"},
		"the key has 3":      {Cluster: "c", Bind: "127.0.0.1:0", Key: []byte("abc")},
		"is not base64":      {Cluster: "c", Bind: "127.0.0.1:0", KeyFile: file},
		"no such file":       {Cluster: "c", Bind: "127.0.0.1:0", KeyFile: file + "2"},
		"are both given":     {Cluster: "c", Bind: "127.0.0.1:0", KeyFile: file, Key: bytes.Repeat([]byte{1}, 16)},
		"address \"nowhere:": {Cluster: "c", Bind: "127.0.0.1:0", Advertise: "nowhere:1"},
	} {
		g, err := announce.NewGossip(config)
		if err == nil {
			_ = g.Close()
		}
		if !errors.Is(err, announce.ErrGossipConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
	}
}

func TestGossipBusyPort(t *testing.T) {
	a := newMember(t, announce.GossipConfig{})
	g, err := announce.NewGossip(announce.GossipConfig{Cluster: "test", Bind: a.Addr(), Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_ = g.Close()
		t.Error("a busy port was taken")
	}
}

func TestGossipCloseTwice(t *testing.T) {
	a := newMember(t, announce.GossipConfig{})
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	a.Announce(announce.Hint{Dataset: dataset.Name("usage"), Position: 1, Version: 1})
}
