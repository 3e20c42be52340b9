package state

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotBindable says that a field path needs a type that the dataset, or the
// part of it that is loaded, does not have.
var ErrNotBindable = errors.New("field path cannot be bound")

// A Step of a resolved path is a field of a type.
type Step struct {
	Type  string
	Field int
}

// maxPathSteps bounds the length of a resolved path: schemas may be cyclic.
const maxPathSteps = 64

// ResolvePath resolves a key's field path against a start type, following
// references to the only field, or the only key field, of the last type. A
// path that ends in '!' is not followed. It fails with ErrNotBindable if a
// type is missing.
func ResolvePath(schemas map[string]*Schema, start, path string) ([]Step, error) {
	name, plain := strings.CutSuffix(path, "!")
	var steps []Step
	current := start
	for segment := range strings.SplitSeq(name, ".") {
		s, err := objectOf(schemas, current, path)
		if err != nil {
			return nil, err
		}
		f := s.FieldIndex(segment)
		if f < 0 {
			return nil, fmt.Errorf("resolve path %s: type %s has no field %q", path, current, segment)
		}
		steps = append(steps, Step{current, f})
		if len(steps) > maxPathSteps {
			return nil, fmt.Errorf("resolve path %s: more than %d steps", path, maxPathSteps)
		}
		current = s.Fields[f].Ref
	}
	if plain {
		return steps, nil
	}
	return expandPath(schemas, steps, current, path)
}

func expandPath(schemas map[string]*Schema, steps []Step, current, path string) ([]Step, error) {
	for current != "" {
		s, err := objectOf(schemas, current, path)
		if err != nil {
			return nil, err
		}
		if len(steps) >= maxPathSteps {
			return nil, fmt.Errorf("resolve path %s: more than %d steps", path, maxPathSteps)
		}
		switch {
		case len(s.Fields) == 1:
			steps = append(steps, Step{current, 0})
			current = s.Fields[0].Ref
		case len(s.Key) == 1 && strings.Count(s.Key[0], ".") < maxPathSteps-len(steps):
			name, plain := strings.CutSuffix(s.Key[0], "!")
			for segment := range strings.SplitSeq(name, ".") {
				if s, err = objectOf(schemas, current, path); err != nil {
					return nil, err
				}
				f := s.FieldIndex(segment)
				if f < 0 {
					return nil, fmt.Errorf("resolve path %s: type %s has no field %q", path, current, segment)
				}
				steps = append(steps, Step{current, f})
				current = s.Fields[f].Ref
			}
			if plain {
				return steps, nil
			}
		default:
			return nil, fmt.Errorf("resolve path %s: type %s has neither one field nor a key of one field", path, current)
		}
	}
	return steps, nil
}

func objectOf(schemas map[string]*Schema, name, path string) (*Schema, error) {
	s := schemas[name]
	if name == "" {
		return nil, fmt.Errorf("resolve path %s: a scalar has no fields", path)
	}
	if s == nil {
		return nil, fmt.Errorf("resolve path %s: type %s: %w", path, name, ErrNotBindable)
	}
	if s.Kind != Object {
		return nil, fmt.Errorf("resolve path %s: type %s is a %v, not an OBJECT", path, name, s.Kind)
	}
	return s, nil
}
