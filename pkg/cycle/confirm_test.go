package cycle_test

import (
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestUnchangedIsConfirmed has content that is in our base and no longer in
// the head: nobody may be told that it is announced.
func TestUnchangedIsConfirmed(t *testing.T) {
	m, memory := mapping(t, plain), blob.NewMemory()
	ours := open(t.Context(), t, config(memory, m, 1))
	run(t, ours, lines(m, a1))
	second := run(t, open(t.Context(), t, config(memory, m, 1)), lines(m, a2))
	if r, err := ours.Run(t.Context(), dataset.Lineage{}, lines(m, a1)); !errors.Is(err, announce.ErrConflict) {
		t.Fatalf("%+v, error %v, want ErrConflict", r, err)
	}
	if err := ours.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := run(t, ours, lines(m, a1)); !r.Published || r.Previous != second.Version {
		t.Errorf("after Restore: %+v", r)
	}
}

// TestDeposedAcknowledgesNothing has another producer take over from one whose
// content does not change.
func TestDeposedAcknowledgesNothing(t *testing.T) {
	m, memory := mapping(t, plain), blob.NewMemory()
	ours := open(t.Context(), t, config(memory, m, 1))
	if _, err := ours.Log().Claim(t.Context(), ours.Author(), "ours", false); err != nil {
		t.Fatal(err)
	}
	run(t, ours, lines(m, a1))
	if _, err := announce.Open(memory, "n").Claim(t.Context(), ours.Author(), "theirs", true); err != nil {
		t.Fatal(err)
	}
	if r, err := ours.Run(t.Context(), dataset.Lineage{}, lines(m, a1)); !errors.Is(err, announce.ErrDeposed) {
		t.Errorf("%+v, error %v, want ErrDeposed", r, err)
	}
}
