package replica_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestRelieve puts one replica in the place of another as soon as that takes
// nobody back: by the log, which a pin can take to an older version.
func TestRelieve(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 2)
	w.grow(3)
	old, next := open(store, nil), open(store, nil)
	relieves := func(when string, want bool) {
		t.Helper()
		swapped := false
		if got := next.Relieve(old, func() { swapped = true }); got != want || swapped != want {
			t.Errorf("%s: Relieve is %v, swapped %v, want %v", when, got, swapped, want)
		}
	}
	relieves("nothing is loaded", false)
	refresh(t, old, w.last())
	relieves("it has loaded nothing", false)
	refresh(t, next, w.last())
	relieves("at the same version", true)
	w.grow(1)
	refresh(t, old, w.last())
	relieves("a version behind", false)
	refresh(t, next, w.last())
	relieves("at the same version again", true)
	pin(t.Context(), t, store, w.versions[0])
	refresh(t, old, w.versions[0])
	relieves("at a later version than the pin", false)
	refresh(t, next, w.versions[0])
	relieves("at the pin", true)
	pin(t.Context(), t, store, dataset.None)
	refresh(t, next, w.last())
	relieves("further in the log", true)
	pin(t.Context(), t, store, w.versions[1])
	refresh(t, next, w.versions[1])
	relieves("at a pin that the other has not seen", true)
	relieves("nothing moved", true)
	if err := old.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	relieves("at the pin, too", true)
}

// TestRelieveBroken relieves a replica that cannot load what the log has: nobody
// waits for it to look as far as it did, when the log is another, shorter one, but
// until as much was seen announced.
func TestRelieveBroken(t *testing.T) {
	memory := blob.NewMemory()
	store := replaceable(memory)
	w := newWorld(t, memory, 1)
	w.grow(6)
	broken := newNetwork(store)
	old := open(broken, nil)
	refresh(t, old, w.last())
	shorter := blob.NewMemory()
	w2 := newWorld(t, shorter, 1)
	w2.grow(1)
	store.set(shorter)
	broken.lose.Store(true)
	next := open(store, nil)
	refresh(t, next, w2.last())
	if next.Relieve(old, func() {}) {
		t.Error("it relieved one further on, which has not seen yet that the log is another one")
	}
	if err := old.Refresh(t.Context()); err == nil {
		t.Fatal("the blobs are lost, and it loaded")
	}
	if !next.Relieve(old, func() {}) {
		t.Error("it does not relieve one that reads a log which ends before where that was")
	}
	w2.grow(1)
	if err := old.Refresh(t.Context()); err == nil {
		t.Fatal("the blobs are lost, and it loaded")
	}
	if next.Relieve(old, func() {}) {
		t.Error("it relieved one that knows of a later announcement")
	}
	refresh(t, next, w2.last())
	if !next.Relieve(old, func() {}) {
		t.Error("it does not relieve one that cannot load what is announced")
	}
}
