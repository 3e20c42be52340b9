package replica

// Settled returns the last view whose state was settled, nil if there is none any more.
func Settled(r *Replica) *View { return r.settled.Value() }
