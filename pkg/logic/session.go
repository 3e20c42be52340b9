package logic

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
// that the logic may use. It is immutable and safe for concurrent use.
type Session struct {
	from  reader
	clock time.Time
	seed  dataset.Seed

	fits    sync.Map // of fit to error: the message types that were looked at
	mu      sync.Mutex
	refused error // the first read that was refused, so that a logic that goes on without it does not decide on a default
}

// A reader is where the versions of a session are: in memory, or with the host
// of a command. It fails with ErrNotInSession.
type reader interface {
	inputs() []dataset.Input
	view(n dataset.Name) (*replica.View, error)
	// message returns the declared message of the records, nil if that is not
	// known.
	message(n dataset.Name) (protoreflect.MessageDescriptor, error)
	// list puts each record into a message that fresh returns and then calls
	// use, until it returns false.
	list(n dataset.Name, fresh func() proto.Message, use func() bool) error
	// get puts the record with each key into the message at the same place, and
	// says which there are.
	get(n dataset.Name, keys [][]string, into []proto.Message) ([]bool, error)
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
func (s *Session) View(n dataset.Name) (*replica.View, error) {
	v, err := s.from.view(n)
	return v, s.note(err)
}

// Inputs returns the versions of the session, by dataset.
func (s *Session) Inputs() []dataset.Input { return s.from.inputs() }

// note remembers a read that was refused, and returns its error.
func (s *Session) note(err error) error {
	if errors.Is(err, ErrNotInSession) || errors.Is(err, ErrMessage) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refused = cmp.Or(s.refused, err)
	}
	return err
}

// missed returns the error of a read that was refused.
func (s *Session) missed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Records yields the records of an input as messages of type M, in no particular
// order. A record that cannot be read ends the sequence with its error, and so
// does ErrMessage if M does not fit the declared message at this version.
func Records[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		var m P
		err := s.fit(n, P(new(M)))
		if err == nil {
			err = s.from.list(n,
				func() proto.Message { m = new(M); return m },
				func() bool { return yield((*M)(m), nil) })
		}
		if err != nil {
			yield(nil, s.note(err))
		}
	}
}

// Get returns the record of an input with a key, as a message of type M; nil if
// there is none. The key has one text per key field, in order: integers in
// decimal, true or false, bytes in base64, all else as it is. It fails as
// Records does.
//
// In a command each Get waits for an answer of another process, a quarter of a
// millisecond or so: for more than a few, take BatchGet, or read the input once
// with Records and keep it in a map.
func Get[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name, key ...string) (*M, error) {
	found, err := BatchGet[M, P](s, n, [][]string{key})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// BatchGet returns the records of an input with these keys, in order of the
// keys; nil for a key that none has. It fails as Get does.
func BatchGet[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name, keys [][]string) ([]*M, error) {
	out, into := make([]*M, len(keys)), make([]proto.Message, len(keys))
	for i := range keys {
		out[i] = new(M)
		into[i] = P(out[i])
	}
	err := s.fit(n, P(new(M)))
	var found []bool
	if err == nil {
		found, err = s.from.get(n, keys, into)
	}
	if err != nil {
		return nil, s.note(err)
	}
	for i, ok := range found {
		if !ok {
			out[i] = nil
		}
	}
	return out, nil
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

func (s views) message(n dataset.Name) (protoreflect.MessageDescriptor, error) {
	v, err := s.declared(n)
	if err != nil {
		return nil, err
	}
	return v.Mapping.Message(), nil
}

func (s views) get(n dataset.Name, keys [][]string, into []proto.Message) ([]bool, error) {
	v, err := s.declared(n)
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(keys))
	var b []byte
	for i, key := range keys {
		values, err := v.Mapping.Key(key)
		if err != nil {
			return nil, fmt.Errorf("read dataset %s: %w", n, err)
		}
		record, ok := v.Index.Record(values...)
		if !ok {
			continue
		}
		found[i] = true
		if b, err = v.Mapping.Append(b[:0], record); err == nil {
			err = proto.Unmarshal(b, into[i])
		}
		if err != nil {
			return nil, fmt.Errorf("read dataset %s: %w", n, err)
		}
	}
	return found, nil
}
