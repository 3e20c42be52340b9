package cycle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// What whoever makes versions may refuse to make.
var (
	// ErrBreaking says that those who read with the declaration of the version
	// before would misread the new one.
	ErrBreaking = errors.New("the schema breaks its readers")
	// ErrTooManyRemoved says that a version would lose more records than is
	// allowed.
	ErrTooManyRemoved = errors.New("too many records would be removed")
)

// CheckSchema fails with ErrBreaking if those who read with the declaration of
// the version before would misread the next one.
func (c *Cycle) CheckSchema() error {
	if c.base == nil || c.base.Derived {
		return nil
	}
	if why := protomap.Breaking(c.base.Mapping, c.cfg.Mapping); len(why) > 0 {
		return fmt.Errorf("%w: %s: if that is meant, give --breaking", ErrBreaking, strings.Join(why, "; "))
	}
	return nil
}

// AtMostRemoved returns what a Config's Validate may be: it fails with
// ErrTooManyRemoved if more than a part of the records, from 0 to 1, would be
// removed.
func AtMostRemoved(part float64) func(Result) error {
	return func(r Result) error {
		before := r.Unchanged + r.Changed + r.Removed
		if float64(r.Removed) > part*float64(before) {
			return fmt.Errorf("%w: %d of %d, more than %g: if that is right, raise --max-removed", ErrTooManyRemoved, r.Removed, before, part)
		}
		return nil
	}
}
