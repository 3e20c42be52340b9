package logic

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrMessage says that a logic was compiled with another declaration of a
// dataset's records, by which it would misread or miswrite them.
var ErrMessage = errors.New("the logic was compiled with another schema: generate its messages anew, from the dataset's .proto or from holdfast schema --proto, and build it again")

// fit is a message type that records of a dataset are read as.
type fit struct {
	dataset dataset.Name
	message protoreflect.MessageDescriptor
}

// fit fails with ErrMessage if records of a dataset would be misread as m. Each
// type is compared once.
func (s *Session) fit(n dataset.Name, m proto.Message) error {
	of := fit{n, m.ProtoReflect().Descriptor()}
	if known, ok := s.fits.Load(of); ok {
		err, _ := known.(error)
		return err
	}
	declared, err := s.from.message(n)
	if err != nil {
		return err
	}
	if declared != nil {
		if why := misfit(of.message, declared); why != "" {
			err = fmt.Errorf("read dataset %s as %s: %s: %w", n, of.message.FullName(), why, ErrMessage)
		}
	}
	s.fits.Store(of, err)
	return err
}

// misfit says how a message type does not fit the declared one, nothing if it
// does. The messages may have other names, because the typed services have
// their own, and either may have fields that the other lacks: it is older, or
// newer. Fields that both have must be the same, and so must values of enums. A
// field that is optional in one of them only is no misfit, since declarations may
// become so.
func misfit(own, declared protoreflect.MessageDescriptor) string {
	return misfits{}.message(own, declared)
}

// misfits has the pairs of messages that are compared already.
type misfits map[[2]protoreflect.FullName]bool

func (seen misfits) message(own, declared protoreflect.MessageDescriptor) string {
	pair := [2]protoreflect.FullName{own.FullName(), declared.FullName()}
	if own == declared || seen[pair] {
		return ""
	}
	seen[pair] = true
	for i := range own.Fields().Len() {
		f := own.Fields().Get(i)
		d := declared.Fields().ByNumber(f.Number())
		if d == nil {
			continue
		}
		if why := seen.field(f, d); why != "" {
			return why
		}
	}
	return ""
}

func (seen misfits) field(own, declared protoreflect.FieldDescriptor) string {
	if a, b := shape(own), shape(declared); a != b {
		return fmt.Sprintf("field %d of %s, %s, is %s in the dataset and %s in the logic", own.Number(), declared.Parent().Name(), declared.Name(), b, a)
	}
	if own.Name() != declared.Name() { // the number may have been given to another field
		return fmt.Sprintf("field %d of %s is called %s in the dataset and %s in the logic", own.Number(), declared.Parent().Name(), declared.Name(), own.Name())
	}
	if own.IsMap() {
		own, declared = own.MapValue(), declared.MapValue()
	}
	switch {
	case own.Message() != nil:
		return seen.message(own.Message(), declared.Message())
	case own.Enum() != nil:
		return misfitEnum(own.Enum(), declared.Enum())
	}
	return ""
}

// shape is what of a field's type must be the same, but for what is in messages
// and enums.
func shape(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", f.MapKey().Kind(), f.MapValue().Kind())
	case f.IsList():
		return "repeated " + f.Kind().String()
	}
	return f.Kind().String()
}

// misfitEnum says which number has another meaning. One number may have several
// names.
func misfitEnum(own, declared protoreflect.EnumDescriptor) string {
	names := map[protoreflect.EnumNumber]map[protoreflect.Name]bool{}
	for i := range declared.Values().Len() {
		v := declared.Values().Get(i)
		if names[v.Number()] == nil {
			names[v.Number()] = map[protoreflect.Name]bool{}
		}
		names[v.Number()][v.Name()] = true
	}
	for i := range own.Values().Len() {
		v := own.Values().Get(i)
		if declared.Values().ByNumber(v.Number()) == nil || names[v.Number()][v.Name()] {
			continue
		}
		if first := own.Values().ByNumber(v.Number()); names[v.Number()][first.Name()] {
			continue // a new alias
		}
		return fmt.Sprintf("value %d of enum %s is %s in the dataset and %s in the logic",
			v.Number(), declared.Name(), declared.Values().ByNumber(v.Number()).Name(), v.Name())
	}
	return ""
}
