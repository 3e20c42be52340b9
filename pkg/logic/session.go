package logic

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrNotInSession says that a logic asked for a dataset that it did not declare
// as an input.
var ErrNotInSession = errors.New("dataset is not in the session")

// A Session is one version of each input, with the only time and randomness
// that the logic may use. It is immutable.
type Session struct {
	views map[dataset.Name]*replica.View
	clock time.Time
	seed  dataset.Seed
}

// NewSession returns a session over these views.
func NewSession(views []*replica.View, clock time.Time, seed dataset.Seed) *Session {
	s := &Session{views: map[dataset.Name]*replica.View{}, clock: clock.UTC(), seed: seed}
	for _, v := range views {
		s.views[v.Manifest.Dataset] = v
	}
	return s
}

// Clock returns the time at which the logic runs, as far as it may know.
func (s *Session) Clock() time.Time { return s.clock }

// Seed returns the randomness that the logic may use.
func (s *Session) Seed() dataset.Seed { return s.seed }

// View returns the version of an input. It fails with ErrNotInSession.
func (s *Session) View(n dataset.Name) (*replica.View, error) {
	v := s.views[n]
	if v == nil {
		return nil, fmt.Errorf("read dataset %s: %w", n, ErrNotInSession)
	}
	return v, nil
}

// Inputs returns the versions of the session, by dataset.
func (s *Session) Inputs() []dataset.Input {
	var out []dataset.Input
	for n, v := range s.views {
		out = append(out, dataset.Input{Dataset: n, Version: v.Version(), Checksum: v.Manifest.Checksum})
	}
	slices.SortFunc(out, func(a, b dataset.Input) int { return strings.Compare(string(a.Dataset), string(b.Dataset)) })
	return out
}

// Records yields the records of an input as messages of type M, which must be
// the declared one: in no particular order. A record that cannot be read ends
// the sequence with its error.
func Records[M any, P interface {
	*M
	proto.Message
}](s *Session, n dataset.Name) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		v, err := s.View(n)
		if err == nil && v.Mapping == nil {
			err = fmt.Errorf("read dataset %s: it declares no message", n)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		var b []byte
		for o := range v.Root().Ordinals() {
			m := P(new(M))
			b, err = v.Mapping.Append(b[:0], v.Root().Record(o))
			if err == nil {
				err = proto.Unmarshal(b, m)
			}
			if err != nil {
				yield(nil, fmt.Errorf("read dataset %s: %w", n, err))
				return
			}
			if !yield((*M)(m), nil) {
				return
			}
		}
	}
}
