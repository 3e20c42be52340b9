package cycle_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestTornBlobIsNotAnnounced has a file that lost its end when the power failed
// stand where the same version is published again: no version may name it.
func TestTornBlobIsNotAnnounced(t *testing.T) {
	m, refused := mapping(t, plain), 0
	for k := range 4 { // one of the blobs, or the schema
		synctest.Test(t, func(t *testing.T) { // its clock stands still
			memory := blob.NewMemory()
			n := 0
			c := open(t.Context(), t, config(blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
				if op.Verb != blobtest.Put {
					return blobtest.None
				}
				if n++; n-1 == k {
					return blobtest.Torn
				}
				return blobtest.None
			}), m, 1))
			if _, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, a1)); !errors.Is(err, blobtest.ErrInjected) {
				t.Fatal(err)
			}
			r, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, a1))
			switch {
			case err == nil: // with other bytes: a state has random tags
				verify(t, memory)
			case !errors.Is(err, blob.ErrDigest):
				t.Errorf("put %d was torn: %+v, error %v, want ErrDigest", k, r, err)
			default:
				refused++
			}
		})
	}
	if refused == 0 {
		t.Error("no file was written again")
	}
}
