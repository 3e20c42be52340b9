package protomap

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Causes of errors. Values that the format cannot hold are
// state.ErrNotStorable, text that is not Unicode is state.ErrIllFormed.
var (
	// ErrUnsupported says that a protobuf feature has no mapping.
	ErrUnsupported = errors.New("not supported in a dataset")
	// ErrUnnamedEnum says that an enum value is not among the declared ones.
	ErrUnnamedEnum = errors.New("enum value has no name")
	// ErrTooDeep says that messages nest deeper than Limits.Depth, or that a
	// record's parts do deeper than state.MaxDepth.
	ErrTooDeep = errors.New("record is nested too deeply")
	// ErrTooLarge says that an encoded record exceeds Limits.Size.
	ErrTooLarge = errors.New("encoded record is too large")
	// ErrMismatch says that a record's type does not fit the declared message.
	ErrMismatch = errors.New("record does not fit the declared message")
	// ErrBadKey says that a key is not one of the dataset.
	ErrBadKey = errors.New("key does not fit the dataset")
)

// A ValueError is a value that cannot be mapped.
type ValueError struct {
	Path string // such as shares[3].version or labels["x"]
	Err  error
}

func (e *ValueError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("field %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *ValueError) Unwrap() error { return e.Err }

// tooDeep is ErrTooDeep with the limit. Whatever is a record of a type counts.
func tooDeep(limit int) error {
	return fmt.Errorf("%w: at most %d levels are possible, where a message, a list, set or map, and a text count one each", ErrTooDeep, limit)
}

// tooLarge is ErrTooLarge with the limit.
func tooLarge(limit int) error {
	return fmt.Errorf("%w: at most %d bytes can be answered", ErrTooLarge, limit)
}

// at puts a step before the path of a value's error.
func at(step string, err error) error {
	var v *ValueError
	if !errors.As(err, &v) {
		return &ValueError{step, err}
	}
	if v.Path != "" && !strings.HasPrefix(v.Path, "[") {
		step += "."
	}
	return &ValueError{step + v.Path, v.Err}
}

// A SchemaError is a declaration that no dataset can have.
type SchemaError struct {
	File string
	Line int                   // from 1; 0 if it is not known
	Name protoreflect.FullName // of what is wrong; empty for the file as a whole
	Err  error
}

func (e *SchemaError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Name == "" {
		return fmt.Sprintf("%s: %v", where, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", where, e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *SchemaError) Unwrap() error { return e.Err }

// schemaError makes an error about d.
func schemaError(d protoreflect.Descriptor, format string, args ...any) error {
	e := &SchemaError{Name: d.FullName(), Err: fmt.Errorf(format, args...)}
	if f := d.ParentFile(); f != nil {
		e.File = f.Path()
		if at := f.SourceLocations().ByDescriptor(d); at.Path != nil {
			e.Line = at.StartLine + 1
		}
	}
	return e
}
