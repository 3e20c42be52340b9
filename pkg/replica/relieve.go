package replica

// Relieve calls swap, which puts r in the place of old, if r has a view and is
// not behind: what it serves, and knows to be announced, is from where old is in
// the log or from further on. Both follow the same log, so that a pin that took
// one of them back counts, and a version number does not. While swap runs, old
// does not move on, so that nobody who asked it before sees the dataset go back;
// swap must not wait for old.
func (r *Replica) Relieve(old *Replica, swap func()) bool {
	old.mu.Lock()
	defer old.mu.Unlock()
	mine, its := r.live.Load(), old.live.Load()
	behind := mine.position < its.position || r.status.Load().fold.Position < old.status.Load().fold.Position
	if mine.current == nil || behind && its.current != nil {
		return false
	}
	swap()
	return true
}

// place notes how far in the log the current view is known to be effective: at
// what was just read, or where a log ends that is shorter than it was, since no
// reader of that one gets further. The mutex is held.
func (r *Replica) place(l *look) {
	set := *r.live.Load()
	if l.fold.Position == set.position || l.err != nil && l.fold.Position > set.position {
		return
	}
	set.position = l.fold.Position
	r.live.Store(&set)
}
