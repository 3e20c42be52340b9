package replica_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// poll is the time between two looks of the members of a fleet.
const poll = 5 * time.Second

// fleet is replicas of one store that gossip over a network in memory.
type fleet struct {
	*world
	net     announcetest.Network
	key     []byte
	first   string // an address to join
	members []*fleetMember
}

type fleetMember struct {
	replica *replica.Replica
	gossip  *announce.Gossip
	mu      sync.Mutex
	hints   []announce.Hint
	stop    func()
}

// join adds a member with a replica.
func (f *fleet) join(key []byte, cluster string) *fleetMember {
	f.t.Helper()
	m := &fleetMember{}
	transport, address := f.net.Host()
	if f.first == "" {
		f.first = address
	}
	m.replica = open(f.store, func(c *replica.Config) {
		c.Poll = poll
		c.Confirmed = func(h announce.Hint) { m.gossip.Confirm(h) }
		c.Diverged = func() { m.gossip.Forget("n") }
	})
	var err error
	m.gossip, err = announce.NewGossip(announce.GossipConfig{
		Cluster: cluster, Key: key, Name: fmt.Sprint("m", len(f.members), address), Bind: "127.0.0.1:7512", Join: []string{f.first},
		Transport: transport, Logger: slog.New(slog.DiscardHandler),
		OnHint: func(h announce.Hint) {
			m.mu.Lock()
			m.hints = append(m.hints, h)
			m.mu.Unlock()
			m.replica.Hint(h)
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	stop := running(f.t, m.replica)
	m.stop = func() {
		stop()
		if err := m.gossip.Close(); err != nil {
			f.t.Error(err)
		}
	}
	f.members = append(f.members, m)
	return m
}

// behind returns how many members are not at the newest version.
func (f *fleet) behind() (n int) {
	for _, m := range f.members {
		if v := m.replica.Current(); v == nil || v.Version() != f.last() {
			n++
		}
	}
	return n
}

// publish makes a version, of which the first member hears at once, and waits
// until all have it, at most within.
func (f *fleet) publishWithin(what string, within time.Duration) {
	f.t.Helper()
	f.grow(1)
	f.members[0].replica.Look()
	began := time.Now()
	for f.behind() > 0 && time.Since(began) < within {
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
	}
	f.t.Logf("%s: after %s %d of %d are behind", what, time.Since(began), f.behind(), len(f.members))
	if n := f.behind(); n > 0 {
		f.t.Errorf("%s: %d of %d are not at the newest version after %s", what, n, len(f.members), within)
	}
}

// heard returns the hints that claim more than the store has.
func (m *fleetMember) heard(position int64) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.hints {
		if h.Position > position {
			n++
		}
	}
	return n
}

// TestGossipOfAHundred has a hundred replicas (fewer under the race detector) on a network that is cut, slow,
// lossy, repetitive and full of lies. Whatever it does, each is right within one
// poll, and what nobody confirmed is not passed on.
func TestGossipOfAHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = fleetSize
		f := &fleet{world: newWorld(t, blob.NewMemory(), 1), key: bytes.Repeat([]byte{7}, 16)}
		var mu sync.Mutex
		var recorded [][]byte
		f.net.Watch(func(_, _ int, packet []byte) {
			mu.Lock()
			defer mu.Unlock()
			if len(recorded) < 3000 {
				recorded = append(recorded, packet)
			}
		})
		f.grow(1)
		for range members {
			f.join(f.key, "fleet")
		}
		defer func() {
			for _, m := range f.members {
				m.stop()
			}
			time.Sleep(time.Minute) // probes under way end by themselves
		}()
		time.Sleep(3 * time.Second)
		f.publishWithin("a good network", 3*time.Second)

		f.net.Set(func(from, to int, _ []byte) []time.Duration {
			if from%2 != to%2 {
				return nil
			}
			return []time.Duration{0}
		})
		f.publishWithin("cut in halves", poll+2*time.Second)
		f.net.Set(func(int, int, []byte) []time.Duration { return nil })
		f.publishWithin("no network", poll+2*time.Second)

		random := rand.New(rand.NewPCG(1, 2))
		f.net.Set(func(_, _ int, packet []byte) (delays []time.Duration) {
			if packet == nil {
				return []time.Duration{0}
			}
			mu.Lock()
			defer mu.Unlock()
			for range random.IntN(4) { // a quarter is lost
				delays = append(delays, time.Duration(random.IntN(2000))*time.Millisecond)
			}
			return delays
		})
		f.publishWithin("slow, lossy and repetitive", poll+2*time.Second)
		f.net.Set(nil)
		f.lies(members, recorded)
	})
}

// lies has strangers and a liar among the members, and old packets again.
func (f *fleet) lies(members int, recorded [][]byte) {
	position := func() int64 { return int64(len(f.versions)) - 1 }
	forged := announce.Hint{Dataset: "n", Position: 1 << 40, Version: dataset.Version(1 << 60)}
	other := f.join(bytes.Repeat([]byte{8}, 16), "fleet")
	foreign := f.join(f.key, "another")
	liar := f.join(f.key, "fleet")
	for _, m := range []*fleetMember{other, foreign, liar} {
		m.gossip.Announce(forged)
	}
	for i, packet := range recorded {
		f.net.Inject(i%members, (i*7)%members, packet)
	}
	for i := range 1000 { // what nobody who has the key made
		f.net.Inject(i%members, (i*3)%members, forged.Append([]byte{8}))
	}
	f.publishWithin("lies and old packets", poll+2*time.Second)
	for _, m := range []*fleetMember{other, foreign} {
		if n := m.gossip.Members(); n != 1 {
			f.t.Errorf("a stranger sees %d members", n)
		}
	}
	deceived := 0
	for _, m := range f.members[:members] {
		deceived += min(m.heard(position()), 1)
	}
	if deceived == 0 {
		f.t.Error("nobody heard the liar: the test shows nothing")
	}
	liar.stop() // what it said ends with it
	f.members = append(f.members[:members+2:members+2], f.members[members+3:]...)
	time.Sleep(2 * time.Second)
	late := f.join(f.key, "fleet")
	time.Sleep(3 * time.Second)
	synctest.Wait()
	if n := late.heard(position()); n > 0 {
		f.t.Errorf("who joined later heard %d lies", n)
	}
	f.publishWithin("after the lies", poll+2*time.Second)
}

// TestGossipAfterRestore puts an older copy in the place of a store: the
// positions of what follows are below those that the members had heard of, and
// it spreads by gossip all the same.
func TestGossipAfterRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := replaceable(blob.NewMemory())
		f := &fleet{world: newWorld(t, store, 1), key: bytes.Repeat([]byte{7}, 16)}
		f.grow(2)
		backup := restored(t, store)
		f.grow(10)
		// Of ten and more each passes news on eight times, of fewer four times: one of
		// five would miss some now and then.
		for range 12 {
			f.join(f.key, "fleet")
		}
		defer func() {
			for _, m := range f.members {
				m.stop()
			}
			time.Sleep(time.Minute) // probes under way end by themselves
		}()
		time.Sleep(3 * time.Second)
		f.publishWithin("before", 3*time.Second)
		store.set(backup)
		time.Sleep(poll + 2*time.Second) // all have noticed, and do not poll soon
		f.publishWithin("after", 3*time.Second)
	})
}
