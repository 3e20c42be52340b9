package replay

import (
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/logic"
)

// An OutputsError says that a candidate's versions of before cannot be gone on from:
// they are damaged, or somebody else makes some beside them. That says nothing about
// the candidate, nor about PROD, and nothing else needs them.
type OutputsError struct {
	// Dir is the folder that they are in; empty if they are in none.
	Dir string
	Err error
}

func (e *OutputsError) Error() string {
	if errors.Is(e.Err, announce.ErrConflict) {
		return fmt.Sprintf("another replay or shadow makes outputs in %s: one at a time can (%v)", e.Dir, fact(e.Err))
	}
	return fmt.Sprintf("what the candidate made before, in %s, is damaged: %v (remove that folder, and start again: it holds nothing but outputs of the candidate, and runs that are kept stay valid)", e.Dir, fact(e.Err))
}

// Unwrap returns what is wrong with them.
func (e *OutputsError) Unwrap() error { return e.Err }

// fact returns what is wrong without what a producer is to do about it, which stands
// further out.
func fact(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil || errors.Unwrap(next) == nil {
			return err
		}
		err = next
	}
}

// ofOutputs returns an error of making the candidate's versions, or of going on from
// them, as an OutputsError, if it is about these. The session is in memory: what is
// missing or damaged then is no input.
func ofOutputs(outputs blob.Store, err error) error {
	if failed := (*logic.RunError)(nil); err == nil || errors.As(err, &failed) {
		return err
	}
	if missing(err) == "" && !announce.IsLost(err) && !errors.Is(err, announce.ErrCorrupt) && !errors.Is(err, announce.ErrConflict) {
		return err
	}
	out := &OutputsError{Err: err}
	if dir, ok := outputs.(*blob.Dir); ok {
		out.Dir = dir.Root()
	}
	return out
}
