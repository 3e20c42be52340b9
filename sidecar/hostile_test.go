package sidecar

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// relay stands between members and one of them, at an address of its own: it
// keeps the datagrams that it hands on, or cuts what goes through it.
type relay struct {
	udp    *net.UDPConn
	tcp    *net.TCPListener
	target string
	cut    bool // datagrams are lost, connections end in their middle
	done   sync.WaitGroup

	mu   sync.Mutex
	kept [][]byte
}

// cutAfter is how many bytes pass before a connection is cut: fewer than one
// member tells another at first.
const cutAfter = 60

func newRelay(t *testing.T, target string, cut bool) *relay {
	t.Helper()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{udp: udp, tcp: tcp, target: target, cut: cut}
	r.done.Go(r.packets)
	r.done.Go(func() { r.connections(t.Context()) })
	t.Cleanup(r.close)
	return r
}

func (r *relay) close() {
	r.udp.Close()
	r.tcp.Close()
	r.done.Wait()
}

func (r *relay) address() string { return r.tcp.Addr().String() }

func (r *relay) packets() {
	out, err := net.Dial("udp", r.target)
	if err != nil {
		return
	}
	defer out.Close()
	for b := make([]byte, 64<<10); ; {
		n, err := r.udp.Read(b)
		if err != nil {
			return
		}
		if r.cut {
			continue
		}
		r.mu.Lock()
		r.kept = append(r.kept, bytes.Clone(b[:n]))
		r.mu.Unlock()
		_, _ = out.Write(b[:n]) // a datagram may be lost
	}
}

func (r *relay) connections(ctx context.Context) {
	for {
		in, err := r.tcp.Accept()
		if err != nil {
			return
		}
		r.done.Go(func() { r.pass(ctx, in) })
	}
}

// pass hands on a connection, or the beginning of it.
func (r *relay) pass(ctx context.Context, in net.Conn) {
	defer in.Close()
	out, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.target)
	if err != nil {
		return
	}
	defer out.Close()
	if r.cut {
		_, _ = io.CopyN(out, in, cutAfter) // as much as there is
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(in, out) // until one side ends
		in.Close()
	}()
	_, _ = io.Copy(out, in) // the same
	out.Close()
	<-ended
}

// recorded returns the datagrams so far.
func (r *relay) recorded() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// send sends datagrams to a member, whole, cut short and with a bit flipped.
func send(t *testing.T, packets [][]byte, to string) {
	t.Helper()
	conn, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, p := range packets {
		flipped := bytes.Clone(p)
		flipped[i%len(p)] ^= 1
		for _, b := range [][]byte{p, p[:len(p)/2], flipped} {
			_, _ = conn.Write(b) // a datagram may be lost
		}
	}
}

// freePort returns an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func keyFile(t *testing.T, b byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// neighbours are processes of one store, not all of one cluster.
type neighbours struct {
	t        *testing.T
	producer *producer
	poll     time.Duration
	all      map[string]*process
	versions map[int64]dataset.Version // by position in the log
}

// publish publishes, and waits until each process serves the version: within a
// poll, and as much again on a busy machine. Whatever a process names as
// announced was.
func (x *neighbours) publish(total int) {
	x.t.Helper()
	v := x.producer.publish(usage(1, total)...)
	x.versions[int64(len(x.versions))] = v
	deadline := time.Now().Add(2 * x.poll)
	for name, p := range x.all {
		within(x.t, time.Until(deadline), fmt.Sprintf("version %s in process %s", v, name), func() bool {
			s, err := p.client.Status(x.t.Context(), &holdfastv1.StatusRequest{})
			if err != nil {
				x.t.Fatalf("process %s: %v", name, err)
			}
			d := s.GetDatasets()[0]
			if !x.true(d.GetPosition(), d.GetAnnounced()) {
				x.t.Fatalf("process %s names version %s at position %d", name, d.GetAnnounced(), d.GetPosition())
			}
			return d.GetVersion() == v.String()
		})
	}
}

// true says whether a version was announced at a position.
func (x *neighbours) true(position int64, version string) bool {
	return x.versions[position].String() == version
}

// TestHostileGossip has processes that gossip with a key among others that lie
// in valid words, send what was recorded again, have another key or are of
// another cluster, and one whose connections are cut: each process serves what
// the store has within a poll, and nothing false is passed on.
func TestHostileGossip(t *testing.T) {
	store := newStore(t)
	x := &neighbours{
		t: t, producer: newProducer(t, store, "usage", usageProto), poll: 2 * time.Second,
		all: map[string]*process{}, versions: map[int64]dataset.Version{},
	}
	x.versions[0] = x.producer.publish(usage(1, 1)...)
	folder, key := t.TempDir(), keyFile(t, 1)
	begin := func(name, cluster, key, join string) string {
		x.all[name] = startProcess(t, store.Root(), filepath.Join(folder, name),
			fmt.Sprintf("cluster: %s, key_file: %q, join: [%s]", cluster, key, join), x.poll)
		return x.all[name].gossip
	}
	first := begin("first", "test", key, "")
	quoted := "'" + first + "'"
	begin("second", "test", key, quoted)
	begin("third", "test", key, quoted)
	begin("wrongkey", "test", keyFile(t, 2), quoted)
	begin("other", "other", key, quoted)
	begin("cut", "test", key, "'"+newRelay(t, first, true).address()+"'")
	for name, p := range x.all {
		until(t, "process "+name, func() bool { return p.at(t, x.versions[0]) })
	}
	bind := freePort(t)
	toLiar := newRelay(t, bind, false)
	liar, err := announce.NewGossip(announce.GossipConfig{
		Cluster: "test", Key: bytes.Repeat([]byte{1}, 32), Name: "liar", Bind: bind, Advertise: toLiar.address(),
		Join: []string{first}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	members := func(name string) uint32 {
		s, err := x.all[name].client.Status(t.Context(), &holdfastv1.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return s.GetGossipMembers()
	}
	for name, want := range map[string]uint32{"first": 4, "second": 4, "third": 4, "wrongkey": 1, "other": 1, "cut": 1} {
		until(t, fmt.Sprintf("%d members in process %s", want, name), func() bool { return members(name) == want })
	}
	for round := range 3 {
		liar.Announce(announce.Hint{Dataset: "usage", Position: 1<<40 + int64(round), Version: x.versions[0] + 1<<30 + dataset.Version(round)})
		for name, p := range x.all {
			if name != "cut" { // what is sent again would introduce it to the others
				send(t, toLiar.recorded(), p.gossip)
			}
		}
		x.publish(round + 2)
	}
	if len(toLiar.recorded()) == 0 {
		t.Error("nothing was recorded that could be sent again")
	}
	if err := liar.Close(); err != nil {
		t.Error(err)
	}
	x.hearOnlyTruth(first)
	for name, want := range map[string]uint32{"wrongkey": 1, "other": 1, "cut": 1} {
		if got := members(name); got != want {
			t.Errorf("process %s has %d members, want %d", name, got, want)
		}
	}
}

// hearOnlyTruth joins when the liars have gone: what the members know by then
// they tell, and all of it is true.
func (x *neighbours) hearOnlyTruth(join string) {
	x.t.Helper()
	heard := make(chan announce.Hint, 1000)
	witness, err := announce.NewGossip(announce.GossipConfig{
		Cluster: "test", Key: bytes.Repeat([]byte{1}, 32), Name: "witness", Bind: "127.0.0.1:0", Join: []string{join},
		Logger: slog.New(slog.DiscardHandler), OnHint: func(h announce.Hint) { heard <- h },
	})
	if err != nil {
		x.t.Fatal(err)
	}
	defer witness.Close()
	until(x.t, "members", func() bool { return witness.Members() >= 4 })
	x.publish(100)
	last := int64(len(x.versions) - 1)
	for end := time.After(10 * time.Second); ; {
		select {
		case h := <-heard:
			if !x.true(h.Position, h.Version.String()) {
				x.t.Errorf("the members pass on %+v", h)
			}
			if h.Position == last {
				return
			}
		case <-end:
			x.t.Fatal("the members pass on nothing")
		}
	}
}
