package announce

import (
	"math"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// An unread is a record of a run that is lost, and the versions of an input between
// which the one that it read is: those that the runs before and after it read.
type unread struct {
	what        string
	least, most dataset.Version
}

// A retracer finds the unread ones among the runs of an output, of which it is told
// from the newest on.
type retracer struct {
	input dataset.Name
	after dataset.Version // that the run told last read, None if none did
	lost  []string        // since that run
	list  []unread
	told  bool // of a version or a run that is known
	reads bool // one of them reads the input
}

// known tells of a version that a run made, nil if none did, or of a run.
func (r *retracer) known(e *dataset.Evaluation) {
	r.told = true
	if e == nil {
		return
	}
	for _, from := range e.Inputs {
		if from.Dataset == r.input {
			r.bound(from.Version)
			r.after, r.reads = from.Version, true
		}
	}
}

// lose tells of one that is lost.
func (r *retracer) lose(what string) { r.lost = append(r.lost, what) }

// bound says what the run before those that are lost read.
func (r *retracer) bound(before dataset.Version) {
	after := r.after
	if after == dataset.None {
		after = math.MaxInt64
	}
	for _, what := range r.lost { // a pin may have led back
		r.list = append(r.list, unread{what, min(before, after), max(before, after)})
	}
	r.lost = nil
}

// end returns what was lost: nothing if runs are known and none of them reads the input.
func (r *retracer) end() []unread {
	if r.told && !r.reads {
		return nil
	}
	r.bound(dataset.None)
	return r.list
}
