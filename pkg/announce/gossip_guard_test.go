package announce_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
)

// flipper hands connections on, and changes one byte of what goes one way.
type flipper struct {
	l       net.Listener
	target  string
	forth   int // the place of the byte, negative for none
	back    int
	flipped atomic.Int64
	done    sync.WaitGroup
}

func newFlipper(t *testing.T, target string, forth, back int) *flipper {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flipper{l: l, target: target, forth: forth, back: back}
	f.done.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			f.done.Go(func() { f.copy(out, in, f.forth) })
			f.done.Go(func() { f.copy(in, out, f.back) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.done.Wait()
	})
	return f
}

func (f *flipper) copy(to, from net.Conn, at int) {
	defer to.Close()
	defer from.Close()
	if at >= 0 {
		head := make([]byte, at+1)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		head[at] ^= 1
		f.flipped.Add(1)
		if _, err := to.Write(head); err != nil {
			return
		}
	}
	_, _ = io.Copy(to, from) // until one side ends
}

// TestGossipSurvivesForgedVersions changes the version of the encryption, which
// nothing covers, in what one member tells another: neither falls, and they meet
// when nobody changes anything.
func TestGossipSurvivesForgedVersions(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	for what, at := range map[string]struct{ forth, back int }{
		"asked":    {2 + len("test") + 1 + 4, -1},
		"answered": {-1, 1 + 4},
	} {
		t.Run(what, func(t *testing.T) {
			a := newMember(t, announce.GossipConfig{Key: key})
			f := newFlipper(t, a.Addr(), at.forth, at.back)
			b := newMember(t, announce.GossipConfig{Key: key, Join: []string{f.l.Addr().String()}})
			wait(t, "a changed message", func() bool { return f.flipped.Load() >= 1 })
			if n := b.Members(); n != 1 && at.forth >= 0 { // who was asked rightly comes by itself
				t.Errorf("%d members by way of a changed message", n)
			}
			c := newMember(t, announce.GossipConfig{Key: key, Join: []string{a.Addr(), b.Addr()}})
			wait(t, "three members", func() bool { return a.Members() == 3 && b.Members() == 3 && c.Members() == 3 })
		})
	}
}

// TestGossipSurvivesForgedPackets is the same for datagrams: one that somebody
// kept, sent again with another version of the encryption.
func TestGossipSurvivesForgedPackets(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	a := newMember(t, announce.GossipConfig{Key: key})
	ear, err := net.ListenPacket("udp", "127.0.0.1:0") // where b says it is
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close()
	b := newMember(t, announce.GossipConfig{Key: key, Advertise: ear.LocalAddr().String(), Join: []string{a.Addr()}})
	wait(t, "two members", func() bool { return b.Members() == 2 })
	if err := ear.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 64<<10)
	n, _, err := ear.ReadFrom(packet)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for at := range n {
		forged := bytes.Clone(packet[:n])
		forged[at] ^= 1
		if _, err := conn.Write(forged); err != nil {
			t.Fatal(err)
		}
	}
	c := newMember(t, announce.GossipConfig{Key: key, Join: []string{a.Addr()}})
	wait(t, "a new member", func() bool { return c.Members() >= 2 })
}
