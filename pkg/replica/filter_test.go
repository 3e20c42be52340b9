package replica

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestNeed holds that a snapshot of which fields are left out needs what was left of
// the one before, and twice its size otherwise.
func TestNeed(t *testing.T) {
	c := &Catalog{}
	if n := c.need(blob.Ref{Size: 1000}); n != 2000 {
		t.Errorf("a whole snapshot of 1000 bytes needs %d", n)
	}
	filter, err := state.LeaveOut("Usage.shares")
	if err != nil {
		t.Fatal(err)
	}
	c.Declare(Declared{Filter: filter})
	if n := c.need(blob.Ref{Size: 1000}); n != 0 {
		t.Errorf("the first filtered one needs %d", n)
	}
	c.share = 0.25
	if n := c.need(blob.Ref{Size: 1000}); n != 500 {
		t.Errorf("one of which a quarter is left needs %d", n)
	}
}
