package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// The metadata of requests and answers.
const (
	keyVersion      = "holdfast-version"           // both: the exact version
	keyMinVersion   = "holdfast-min-version"       // request: this version or a later one
	keyMaxStaleness = "holdfast-max-staleness"     // request: the greatest age, such as 5s
	keySession      = "holdfast-session"           // request: the session to read in
	keyAnnounced    = "holdfast-announced-version" // answer: the newest announced one
	keyAge          = "holdfast-age-ms"            // answer
	keyState        = "holdfast-state"             // answer
	keyLeftOut      = "holdfast-left-out"          // answer: the fields that are not loaded
)

// How long a call waits: for a version if it has no deadline, and for the store
// to confirm what is applied.
const patience, confirmPatience = 5 * time.Second, time.Second

// answerMargin is the most that is kept of a call's deadline, so that the typed
// error still arrives in time, on a busy machine too.
const answerMargin = time.Second

// wanted is what a request says about freshness.
type wanted struct {
	session    replica.SessionID // empty means none
	version    dataset.Version   // None means the newest
	minVersion dataset.Version
	maxAge     time.Duration // negative means any
	byPolicy   bool          // the dataset's policy bounds the age, not the call
}

// readWanted reads a request's metadata.
func readWanted(ctx context.Context) (w wanted, err error) {
	w.maxAge = -1
	if err := checkNames(ctx); err != nil {
		return w, err
	}
	session, err := single(ctx, keySession)
	if err != nil {
		return w, err
	}
	w.session = replica.SessionID(session)
	if w.version, err = version(ctx, keyVersion); err != nil {
		return w, err
	}
	if w.minVersion, err = version(ctx, keyMinVersion); err != nil {
		return w, err
	}
	text, err := single(ctx, keyMaxStaleness)
	if err != nil {
		return w, err
	}
	if text != "" {
		if w.maxAge, err = time.ParseDuration(text); err != nil || w.maxAge <= 0 { // a look at a store takes time
			return w, fmt.Errorf("metadata %s: %w: %.40q is no duration above 0 such as 5s", keyMaxStaleness, errMetadata, text)
		}
	}
	if w.version != dataset.None && w.version < w.minVersion {
		return w, fmt.Errorf("metadata %s: %w: it is greater than %s", keyMinVersion, errMetadata, keyVersion)
	}
	return w, nil
}

// version reads a version from metadata, None if it is not there.
func version(ctx context.Context, key string) (dataset.Version, error) {
	text, err := single(ctx, key)
	if err != nil || text == "" {
		return dataset.None, err
	}
	v, err := dataset.ParseVersion(text)
	if err != nil {
		return dataset.None, fmt.Errorf("metadata %s: %w: %w", key, errMetadata, err)
	}
	return v, nil
}

func single(ctx context.Context, key string) (string, error) {
	switch values := metadata.ValueFromIncomingContext(ctx, key); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", fmt.Errorf("metadata %s: %w: it is given more than once", key, errMetadata)
}

// reading is the one version that a call reads (guarantee G3).
type reading struct {
	view *replica.View
	plan *plan
	// of is the dataset.
	of *served
	// header says how fresh that is. Calls share it, so it must not be changed.
	// It may be there when the call fails.
	header metadata.MD
}

// readHeader is read, and says in the answer's header how fresh that is.
func (s *served) readHeader(ctx context.Context, version string) (reading, error) {
	r, err := s.read(ctx, version)
	if r.header != nil {
		_ = grpc.SetHeader(ctx, r.header) // fails only after the header is gone
	}
	return r, err
}

// read finds what a call reads, by its metadata and by the version that its
// message names.
func (s *served) read(ctx context.Context, version string) (reading, error) {
	w, err := readWanted(ctx)
	if err != nil {
		return reading{}, err
	}
	if version != "" {
		v, err := dataset.ParseVersion(version)
		if err != nil {
			return reading{}, fmt.Errorf("version: %w: %w", errMalformed, err)
		}
		if w.version != dataset.None && w.version != v {
			return reading{}, fmt.Errorf("metadata %s: %w: it is %s, the request itself names version %s", keyVersion, errMetadata, w.version, v)
		}
		w.version = v
	}
	if w.session != "" {
		return s.readSession(ctx, w)
	}
	return s.readWanted(ctx, w)
}

// readSession reads what a session holds.
func (s *served) readSession(ctx context.Context, w wanted) (reading, error) {
	session, err := s.sessions.Get(w.session, s.now())
	if err != nil {
		return reading{}, err
	}
	view, err := session.View(s.declared.Name)
	switch {
	case err != nil:
		return reading{}, err
	case w.version != dataset.None && w.version != view.Version():
		return reading{}, fmt.Errorf("metadata %s: %w: the session has version %s", keyVersion, errMetadata, view.Version())
	case view.Version() < w.minVersion:
		return reading{}, fmt.Errorf("dataset %s: %w: the session has version %s", s.declared.Name, errBehind, view.Version())
	}
	fresh, err := s.fresh(ctx, w)
	if err != nil {
		return reading{header: s.header(view.Version(), fresh, "")}, err
	}
	return s.reading(view, fresh)
}

func (s *served) readWanted(ctx context.Context, w wanted) (reading, error) {
	if w.minVersion == dataset.None {
		return s.readNow(ctx, w)
	}
	end := time.Now().Add(reachPatience(ctx))
	for {
		if err := s.reach(ctx, w.minVersion, end); err != nil {
			return reading{}, err
		}
		// A pin can take the dataset back since: what counts is what is read.
		r, err := s.readNow(ctx, w)
		if err != nil || r.view.Version() >= w.minVersion {
			return r, err
		}
	}
}

// readNow reads without waiting for a version.
func (s *served) readNow(ctx context.Context, w wanted) (reading, error) {
	if s.declared.Policy == PolicyRefuse && w.version == dataset.None && (w.maxAge < 0 || w.maxAge > s.declared.MaxStaleness) {
		w.maxAge, w.byPolicy = s.declared.MaxStaleness, true
	}
	// Asked before the view is taken, so that the age is never too small.
	fresh, tooOld := s.fresh(ctx, w)
	view := s.replica.Current()
	if view == nil {
		return reading{}, s.notLoaded()
	}
	if tooOld != nil {
		return reading{header: s.header(view.Version(), fresh, "")}, tooOld
	}
	if w.version != dataset.None && w.version != view.Version() {
		var err error
		if view, err = s.at(ctx, w.version); err != nil {
			return reading{}, err
		}
	}
	return s.reading(view, fresh)
}

// reading returns the reading of a view.
func (s *served) reading(view *replica.View, fresh replica.Freshness) (reading, error) {
	p, err := s.plan(view)
	if err != nil {
		return reading{header: s.header(view.Version(), fresh, "")}, err
	}
	return reading{view, p, s, s.header(view.Version(), fresh, p.leftOut)}, nil
}

// fresh says how fresh the dataset is, and fails if that is not what is wanted.
func (s *served) fresh(ctx context.Context, w wanted) (replica.Freshness, error) {
	fresh := s.replica.Freshness()
	if w.tooOld(fresh) {
		fresh = s.confirm(ctx, w)
	}
	if w.tooOld(fresh) {
		return fresh, s.tooStale(fresh, w)
	}
	return fresh, nil
}

// tooStale is errTooStale with how old what is applied is, and who minds.
func (s *served) tooStale(fresh replica.Freshness, w wanted) error {
	who := "the call"
	if w.byPolicy {
		who = "the dataset's policy"
	}
	applied := dataset.None
	if view := s.replica.Current(); view != nil {
		applied = view.Version()
	}
	since := "the store has not confirmed version %s since the start"
	if fresh.Age >= 0 {
		since = fresh.Age.Round(time.Millisecond).String() + " since the store last confirmed version %s"
	}
	return fmt.Errorf("dataset %s: %w: "+since+", %s allows %s", s.declared.Name, errTooStale, applied, who, w.maxAge)
}

// at returns the view of a version that the caller named.
func (s *served) at(ctx context.Context, v dataset.Version) (*replica.View, error) {
	view, err := s.replica.At(ctx, v)
	if err != nil && !errors.Is(err, replica.ErrNoVersion) {
		return nil, fmt.Errorf("%w: %w", errNotReadable, err)
	}
	return view, err
}

// reachPatience is how long a call waits for a version.
func reachPatience(ctx context.Context) time.Duration {
	if left, ok := timeLeft(ctx); ok {
		return left
	}
	return patience
}

// reach waits until the current version is v or a later one, or until end. Those who
// wait are no more than half of all calls, so that they leave room for those who do not.
func (s *served) reach(ctx context.Context, v dataset.Version, end time.Time) error {
	if view := s.replica.Current(); view != nil && view.Version() >= v {
		return nil
	}
	waits := &s.gate.waits
	if !waits.enter() {
		return s.gate.refuse(refusedByCalls, errLimit, "more than %d calls that wait for a version (half of limits.max_calls)", waits.most)
	}
	defer waits.leave()
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for {
		changed := s.replica.Changed()
		view := s.replica.Current()
		if view != nil && view.Version() >= v {
			return nil
		}
		s.replica.Look()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-timer.C:
			return s.behind(v, view)
		}
	}
}

// behind is errBehind for a version that was waited for.
func (s *served) behind(wanted dataset.Version, view *replica.View) error {
	at, held := dataset.None, ""
	if view != nil {
		at = view.Version()
	}
	if pin := s.replica.Status().Pinned; pin != dataset.None && pin < wanted {
		held = fmt.Sprintf(", and a pin holds the dataset at %s", pin)
	}
	return fmt.Errorf("dataset %s: %w: %s is wanted, %s is applied%s", s.declared.Name, errBehind, wanted, at, held)
}

// timeLeft returns how long a call may wait so that its answer arrives before
// its deadline; ok is false if it has none.
func timeLeft(ctx context.Context) (left time.Duration, ok bool) {
	deadline, ok := ctx.Deadline()
	left = time.Until(deadline)
	return left - min(answerMargin, left/4), ok
}

// tooOld says whether the age exceeds what is wanted.
func (w wanted) tooOld(f replica.Freshness) bool {
	return w.maxAge >= 0 && (f.Age < 0 || f.Age > w.maxAge)
}

// confirm waits until the store confirmed lately enough what is applied, or
// until two looks at it, of which one was certainly not under way yet, did not.
func (s *served) confirm(ctx context.Context, w wanted) replica.Freshness {
	wait := confirmPatience
	if left, ok := timeLeft(ctx); ok {
		wait = min(wait, left)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for range 2 {
		looked := s.replica.Looked()
		if f := s.replica.Freshness(); !w.tooOld(f) {
			return f
		}
		s.replica.Look()
		select {
		case <-ctx.Done():
			return s.replica.Freshness()
		case <-timer.C:
			return s.replica.Freshness() // also the second look has no more time
		case <-looked:
		}
	}
	return s.replica.Freshness()
}

// headerText is the header of the answers of a millisecond or so.
type headerText struct {
	version, announced dataset.Version
	state, leftOut     string
	age                int64 // in milliseconds
	md                 metadata.MD
}

// header says what an answer was read at, and which fields are not loaded, if
// any: what lacks them reads like a record in which they are not set, and
// publishing it would remove them.
func (s *served) header(v dataset.Version, fresh replica.Freshness, leftOut string) metadata.MD {
	age := int64(-1)
	if fresh.Age >= 0 {
		age = fresh.Age.Milliseconds()
	}
	state := s.state(fresh)
	h := s.lastHeader.Load()
	if h.version == v && h.announced == fresh.Announced && h.age == age && h.state == state && h.leftOut == leftOut {
		return h.md
	}
	h = &headerText{version: v, announced: fresh.Announced, state: state, leftOut: leftOut, age: age}
	h.md = metadata.MD{
		keyVersion: {text(v)}, keyAnnounced: {text(fresh.Announced)}, keyAge: {strconv.FormatInt(age, 10)}, keyState: {state},
	}
	if leftOut != "" {
		h.md[keyLeftOut] = []string{leftOut}
	}
	s.lastHeader.Store(h)
	return h.md
}

// state is the replica's, by the dataset's policy: what is marked is stale from
// some age on.
func (s *served) state(fresh replica.Freshness) string {
	if s.declared.Policy == PolicyMark && fresh.State == replica.StateReady && fresh.Age > s.declared.MaxStaleness {
		return replica.StateStale
	}
	return fresh.State
}
