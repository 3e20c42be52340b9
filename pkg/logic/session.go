package logic

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrNotInSession says that a logic asked for a dataset that it did not declare
// as an input.
var ErrNotInSession = errors.New("dataset is not in the session")

// ErrNoView says that a session's versions are in another process, so that
// there are only Records and Get to read them with.
var ErrNoView = errors.New("a command has no view: read with Records and Get")

// A Session is one version of each input, with the only time and randomness
// that the logic may use. It is immutable.
type Session struct {
	from  reader
	clock time.Time
	seed  dataset.Seed
}

// A reader is where the versions of a session are: in memory, or with the host
// of a command. It fails with ErrNotInSession.
type reader interface {
	inputs() []dataset.Input
	view(n dataset.Name) (*replica.View, error)
	// list puts each record into a message that fresh returns and then calls
	// use, until it returns false.
	list(n dataset.Name, fresh func() proto.Message, use func() bool) error
	// get puts the record with a key into m; ok is false if there is none.
	get(n dataset.Name, key []string, m proto.Message) (ok bool, err error)
}

// NewSession returns a session over these views.
func NewSession(list []*replica.View, clock time.Time, seed dataset.Seed) *Session {
	from := views{}
	for _, v := range list {
		from[v.Manifest.Dataset] = v
	}
	return &Session{from: from, clock: clock.UTC(), seed: seed}
}

// Clock returns the time at which the logic runs, as far as it may know.
func (s *Session) Clock() time.Time { return s.clock }

// Seed returns the randomness that the logic may use.
func (s *Session) Seed() dataset.Seed { return s.seed }

// View returns the version of an input. It fails with ErrNotInSession, and with
// ErrNoView in a command.
func (s *Session) View(n dataset.Name) (*replica.View, error) { return s.from.view(n) }

// Inputs returns the versions of the session, by dataset.
func (s *Session) Inputs() []dataset.Input { return s.from.inputs() }

// Records yields the records of an input as messages of type M, which must be
// the declared one: in no particular order. A record that cannot be read ends
// the sequence with its error.
func Records[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		var m P
		err := s.from.list(n,
			func() proto.Message { m = new(M); return m },
			func() bool { return yield((*M)(m), nil) })
		if err != nil {
			yield(nil, err)
		}
	}
}

// Get returns the record of an input with a key, as a message of type M, which
// must be the declared one; nil if there is none. The key has one text per key
// field, in order: integers in decimal, true or false, bytes in base64, all
// else as it is.
func Get[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name, key ...string) (*M, error) {
	m := P(new(M))
	ok, err := s.from.get(n, key, m)
	if err != nil || !ok {
		return nil, err
	}
	return (*M)(m), nil
}

// views are versions in memory.
type views map[dataset.Name]*replica.View

var _ reader = views{}

func (s views) view(n dataset.Name) (*replica.View, error) {
	if v := s[n]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("read dataset %s: %w", n, ErrNotInSession)
}

func (s views) inputs() []dataset.Input {
	var out []dataset.Input
	for n, v := range s {
		out = append(out, dataset.Input{Dataset: n, Version: v.Version(), Checksum: v.Manifest.Checksum})
	}
	slices.SortFunc(out, func(a, b dataset.Input) int { return strings.Compare(string(a.Dataset), string(b.Dataset)) })
	return out
}

// declared returns the version of an input that messages can be made of.
func (s views) declared(n dataset.Name) (*replica.View, error) {
	v, err := s.view(n)
	if err == nil && v.Mapping == nil {
		err = fmt.Errorf("read dataset %s: it declares no message", n)
	}
	return v, err
}

func (s views) list(n dataset.Name, fresh func() proto.Message, use func() bool) error {
	v, err := s.declared(n)
	if err != nil {
		return err
	}
	var b []byte
	for o := range v.Root().Ordinals() {
		if b, err = v.Mapping.Append(b[:0], v.Root().Record(o)); err == nil {
			err = proto.Unmarshal(b, fresh())
		}
		if err != nil {
			return fmt.Errorf("read dataset %s: %w", n, err)
		}
		if !use() {
			return nil
		}
	}
	return nil
}

func (s views) get(n dataset.Name, key []string, m proto.Message) (bool, error) {
	v, err := s.declared(n)
	if err != nil {
		return false, err
	}
	values, err := v.Mapping.Key(key)
	if err != nil {
		return false, fmt.Errorf("read dataset %s: %w", n, err)
	}
	record, ok := v.Index.Record(values...)
	if !ok {
		return false, nil
	}
	b, err := v.Mapping.Append(nil, record)
	if err == nil {
		err = proto.Unmarshal(b, m)
	}
	if err != nil {
		return false, fmt.Errorf("read dataset %s: %w", n, err)
	}
	return true, nil
}

// watched remembers what a logic asked for in vain, so that one that goes on
// without it does not decide on a default.
type watched struct {
	reader
	mu  sync.Mutex
	err error
}

func (w *watched) note(err error) error {
	if errors.Is(err, ErrNotInSession) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
	}
	return err
}

// missed returns the error of a read that the session did not hold.
func (w *watched) missed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watched) view(n dataset.Name) (*replica.View, error) {
	v, err := w.reader.view(n)
	return v, w.note(err)
}

func (w *watched) list(n dataset.Name, fresh func() proto.Message, use func() bool) error {
	return w.note(w.reader.list(n, fresh, use))
}

func (w *watched) get(n dataset.Name, key []string, m proto.Message) (bool, error) {
	ok, err := w.reader.get(n, key, m)
	return ok, w.note(err)
}
