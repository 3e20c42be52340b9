package announce

import (
	"log/slog"
	"testing"
	"time"
)

// TestGossipAgain kills a member again and again, which says good-bye to nobody, and
// starts it at its address: the others count one.
func TestGossipAgain(t *testing.T) {
	hints := make(chan Hint, 100)
	open := func(bind string, join ...string) *Gossip {
		t.Helper()
		g, err := NewGossip(GossipConfig{
			Cluster: "again", Bind: bind, Join: join, Logger: slog.New(slog.DiscardHandler), OnHint: func(h Hint) { hints <- h },
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	kill := func(g *Gossip) {
		t.Helper()
		close(g.stop)
		g.done.Wait()
		if err := g.members.Shutdown(); err != nil {
			t.Fatal(err)
		}
	}
	a := open("127.0.0.1:0")
	defer kill(a)
	first := open("127.0.0.1:0")
	at := first.Addr()
	kill(first)
	for i := range 4 {
		b := open(at, a.Addr())
		b.Announce(Hint{Dataset: "usage", Position: int64(i) + 1, Version: 1})
		for timeout := time.After(10 * time.Second); ; {
			select {
			case h := <-hints:
				if h.Position <= int64(i) {
					continue
				}
			case <-timeout:
				t.Fatalf("start %d: no hint arrived", i)
			}
			break
		}
		if got := a.Members(); got != 2 {
			t.Errorf("start %d: %d members, want 2", i, got)
		}
		kill(b)
	}
}
