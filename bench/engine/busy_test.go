package main

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestReaderFindsEachLastingKeyInEachVersion goes through a long chain more than
// once; pacer.read panics if a key is lost.
func TestReaderFindsEachLastingKeyInEachVersion(t *testing.T) {
	w, err := createWorkspace(options{data: "flat-300", seed: 1, cycles: 120, out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.openSource(); err != nil {
		t.Fatal(err)
	}
	if err := w.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := phaseAge(w, nil); err != nil {
		t.Fatal(err)
	}
	list, err := w.lastingKeys()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 || len(list) == numKeys { // a cycle removes a record
		t.Fatalf("%d of %d keys last", len(list), numKeys)
	}
	f, err := newFollower(w)
	if err != nil {
		t.Fatal(err)
	}
	r := &pacer{reader: reader{t: f.first.Type(w.kind.Root), keys: list}, now: &f.now}
	r.numbers = numbersOf(w, r.t)
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() { done <- f.follow(&stop) }()
	var batches histogram
	var last int64
	for again := 0; again < 2 && len(done) == 0; {
		if p := r.look(time.Millisecond, &batches); p.wall <= 0 {
			t.Fatalf("look-ups took %v", p)
		}
		tag := f.now.Load().Header().Tag
		if tag < last {
			again++
		}
		last = tag
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := f.now.Load().Header().Tag, f.folder.versions[f.at].id; got != want {
		t.Errorf("the newest version is %d, at the follower's place is %d", got, want)
	}
	if batches.total == 0 {
		t.Error("no batch was counted")
	}
}
