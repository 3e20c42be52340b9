package replica

import (
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Freshness is the part of Status that every answer carries.
type Freshness struct {
	Announced dataset.Version
	Age       time.Duration // as Status has it
	State     string
}

// Freshness returns how fresh the replica is, at little cost. A caller that
// asks it before it takes the current view never believes the view to be
// fresher than it is.
func (r *Replica) Freshness() Freshness {
	l, view := r.seen()
	f := Freshness{Announced: l.fold.Head, Age: -1, State: StateReady}
	if !l.confirmed.IsZero() {
		f.Age = r.cfg.Now().Sub(l.confirmed)
	}
	switch {
	case view == nil:
		f.State = StateLoading
	case l.diverged:
		f.State = StateDiverged
	case l.err != nil:
		f.State = StateStale
	}
	return f
}
