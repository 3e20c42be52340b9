package replica

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// Errors of Sessions.
var (
	// ErrNoSession says that a session was closed, has expired or never was.
	ErrNoSession = errors.New("session is over or unknown")
	// ErrNotInSession says that a session does not hold a dataset.
	ErrNotInSession = errors.New("dataset is not in the session")
	// ErrSessionLimit says that sessions would hold too much.
	ErrSessionLimit = errors.New("too much is held by sessions")
)

// SessionLimits bound what Sessions hold.
type SessionLimits struct {
	// Count is the number of sessions at a time, PerOwner of one owner's; 0 means
	// that one can have all of them.
	Count, PerOwner int
	// Lease is the longest time between two renewals.
	Lease time.Duration
	// Bytes bounds the memory of versions that is kept for sessions alone: what
	// they do not share with the current versions.
	Bytes int64
}

// A SessionID is a secret that names a session.
type SessionID string

// A Session is one view each of several datasets, held until its lease ends.
type Session struct {
	ID    SessionID
	Lease time.Duration
	owner string
	views map[dataset.Name]*View
	ends  atomic.Int64 // by the clock of Sessions
}

// View returns the session's view of a dataset; it fails with ErrNotInSession.
func (s *Session) View(n dataset.Name) (*View, error) {
	if v := s.views[n]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("dataset %s: %w", n, ErrNotInSession)
}

// Versions returns the version of each dataset.
func (s *Session) Versions() map[dataset.Name]dataset.Version {
	out := map[dataset.Name]dataset.Version{}
	for name, v := range s.views {
		out[name] = v.Version()
	}
	return out
}

// Sessions are the sessions of one process. Times are arguments, so that it has
// no clock: they must come from one that never goes back. It is safe for
// concurrent use, and looking up a session takes no lock.
type Sessions struct {
	limits  SessionLimits
	current func(dataset.Name) *View
	start   time.Time

	mu  sync.Mutex // one change at a time
	all atomic.Pointer[map[SessionID]*Session]
}

// NewSessions returns no sessions yet. current returns the view of a dataset
// that is held anyway, or nil.
func NewSessions(limits SessionLimits, current func(dataset.Name) *View, now time.Time) *Sessions {
	s := &Sessions{limits: limits, current: current, start: now}
	s.all.Store(&map[SessionID]*Session{})
	return s
}

// Open starts a session of views for an owner, for at most lease; 0 means the
// longest. It fails with ErrSessionLimit.
func (s *Sessions) Open(owner string, views map[dataset.Name]*View, lease time.Duration, now time.Time) (*Session, error) {
	if lease <= 0 || lease > s.limits.Lease {
		lease = s.limits.Lease
	}
	n := &Session{ID: SessionID(rand.Text()), Lease: lease, owner: owner, views: maps.Clone(views)}
	n.ends.Store(int64(now.Sub(s.start) + lease))
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.living(now)
	if len(next) >= s.limits.Count {
		return nil, fmt.Errorf("open session: %w: %d sessions", ErrSessionLimit, len(next))
	}
	if own := ownedBy(next, owner); s.limits.PerOwner > 0 && own >= s.limits.PerOwner {
		return nil, fmt.Errorf("open session: %w: %d sessions of one caller: close those that are done", ErrSessionLimit, own)
	}
	next[n.ID] = n
	if held := s.held(next); held > s.limits.Bytes {
		return nil, fmt.Errorf("open session: %w: %d bytes, at most %d are allowed", ErrSessionLimit, held, s.limits.Bytes)
	}
	s.all.Store(&next)
	return n, nil
}

// Get returns a session that lives; it fails with ErrNoSession.
func (s *Sessions) Get(id SessionID, now time.Time) (*Session, error) {
	if n := (*s.all.Load())[id]; n != nil && int64(now.Sub(s.start)) < n.ends.Load() {
		return n, nil
	}
	return nil, fmt.Errorf("session %.40q: %w", string(id), ErrNoSession)
}

// Renew starts a session's lease anew. It fails with ErrNoSession, and with
// ErrSessionLimit, which leaves the lease as it was, while sessions hold too
// much.
func (s *Sessions) Renew(id SessionID, now time.Time) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.Get(id, now)
	if err != nil {
		return nil, err
	}
	if held := s.held(s.living(now)); held > s.limits.Bytes {
		return nil, fmt.Errorf("renew session: %w: %d bytes, at most %d are allowed", ErrSessionLimit, held, s.limits.Bytes)
	}
	n.ends.Store(int64(now.Sub(s.start) + n.Lease))
	return n, nil
}

// Close ends a session, if it lives.
func (s *Sessions) Close(id SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.all.Load())
	delete(next, id)
	s.all.Store(&next)
}

// Expire lets go of what sessions hold whose leases have ended.
func (s *Sessions) Expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.living(now); len(next) != len(*s.all.Load()) {
		s.all.Store(&next)
	}
}

// Held returns the number of sessions and the bytes that are kept for them
// alone.
func (s *Sessions) Held(now time.Time) (count int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.living(now)
	return len(all), s.held(all)
}

// living returns a copy of what lives.
func (s *Sessions) living(now time.Time) map[SessionID]*Session {
	next := make(map[SessionID]*Session, len(*s.all.Load())+1)
	for id, n := range *s.all.Load() {
		if int64(now.Sub(s.start)) < n.ends.Load() {
			next[id] = n
		}
	}
	return next
}

func ownedBy(all map[SessionID]*Session, owner string) (n int) {
	for _, s := range all {
		if s.owner == owner {
			n++
		}
	}
	return n
}

// held returns the bytes of the views of all that are not part of current ones.
func (s *Sessions) held(all map[SessionID]*Session) int64 {
	var n int64
	seen := map[*View]bool{}
	for _, session := range all {
		for name, view := range session.views {
			if seen[view] {
				continue
			}
			seen[view] = true
			var beside *state.State
			if now := s.current(name); now != nil {
				beside = now.State
			}
			n += view.State.SizeBeyond(beside)
		}
	}
	return n
}

// An Announced is what a dataset has announced at some moment.
type Announced struct {
	Version  dataset.Version
	Manifest dataset.Digest
}

// maxCuts bounds how often Cut looks at all logs.
const maxCuts = 8

// Cut returns the effective versions of several datasets such that there was a
// moment at which all of them were effective: it looks at all of them, by look,
// until two looks in a row found the same. If they move too fast for that, it
// returns what the last look found, and false.
func Cut(names []dataset.Name, look func(dataset.Name) (Announced, error)) (cut map[dataset.Name]Announced, consistent bool, err error) {
	for range maxCuts {
		next := make(map[dataset.Name]Announced, len(names))
		for _, name := range names {
			if next[name], err = look(name); err != nil {
				return nil, false, err
			}
		}
		if maps.Equal(next, cut) || len(names) == 1 {
			return next, true, nil
		}
		cut = next
	}
	return cut, len(names) == 0, nil
}
