package logic

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// output takes what a logic emits. The first record that is refused fails the
// run, also if the logic goes on: it must not lose a record.
type output struct {
	mapping *protomap.Mapping
	sink    protomap.Sink
	refused error
	emitted ordinals
	fit     protoreflect.MessageDescriptor // the last one that was found to fit
}

func (o *output) emit(m proto.Message) error {
	if o.refused == nil {
		o.refused = o.add(m)
	}
	return o.refused
}

// add refuses a record that was emitted before. The sink takes equal records for
// one, and nobody could see of its result that there were two; those that have
// one key and differ are found in the result.
func (o *output) add(m proto.Message) error {
	if d := m.ProtoReflect().Descriptor(); d != o.fit {
		if err := miswritten(d, o.mapping.Message()); err != nil {
			return err
		}
		o.fit = d
	}
	at, err := o.mapping.Add(o.sink, m.ProtoReflect())
	if err != nil || o.emitted.add(at) {
		return err
	}
	key, err := o.mapping.KeyOf(m.ProtoReflect())
	if err != nil {
		return err
	}
	return cycle.DuplicateKey(o.mapping, key)
}

// miswritten fails with ErrMessage if an output would be miswritten as messages of
// a type. Nothing is known if nothing is declared.
func miswritten(own, declared protoreflect.MessageDescriptor) error {
	if declared == nil {
		return nil
	}
	if why := misfit(own, declared); why != "" {
		return fmt.Errorf("emit record as %s: %s: %w", own.FullName(), why, ErrMessage)
	}
	return nil
}

// ordinals is a set of ordinals, of one bit for each up to the greatest.
type ordinals []uint64

// add says whether o was not in the set yet.
func (s *ordinals) add(o state.Ordinal) bool {
	word, bit := int(o>>6), uint64(1)<<(o&63)
	if word >= len(*s) {
		*s = append(*s, make([]uint64, word+1-len(*s))...)
	}
	known := (*s)[word]&bit != 0
	(*s)[word] |= bit
	return !known
}
