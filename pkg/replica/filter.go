package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// errNoSchema says why a dataset cannot be filtered.
var errNoSchema = errors.New("nothing can be left out of a dataset that declares no schema: its fields are numbered by their places")

// checkFilter fails if the declared filter is not for versions of a mapping, which
// is nil if they declare none, and logs once what of it is without effect.
func (c *Catalog) checkFilter(m *protomap.Mapping) error {
	f := c.declared.Filter
	if f == nil {
		return nil
	}
	if m == nil {
		return errNoSchema
	}
	loaded, err := f.Schemas(m.Schemas())
	if err != nil {
		return err
	}
	all := map[string]*state.Schema{}
	for _, s := range m.Schemas() {
		all[s.Name] = s
	}
	for _, name := range slices.Sorted(maps.Keys(loaded)) {
		if m.IsBox(name) && len(loaded[name].Fields) == 0 {
			return fmt.Errorf("%s has the values of fields of messages: leave these fields out instead of %s.%s", name, name, all[name].Fields[0].Name)
		}
	}
	if err := keepsKey(m, all, loaded); err != nil {
		return err
	}
	c.warned.Do(func() {
		if names := f.Unknown(all); len(names) > 0 {
			c.logger.Warn("fields are to be left out that the schema does not have", "dataset", c.name, "fields", names)
		}
		if names := f.Shared(all); len(names) > 0 {
			c.logger.Warn("fields are left out whose values stay, because others may have the same: declare texts inline", "dataset", c.name, "fields", names)
		}
	})
	return nil
}

// keepsKey fails if a field that a key's path leads through is among all types,
// and not among those that are loaded.
func keepsKey(m *protomap.Mapping, all, loaded map[string]*state.Schema) error {
	for _, path := range all[m.Root()].Key {
		steps, err := state.ResolvePath(all, m.Root(), path)
		if err != nil {
			return err
		}
		for _, at := range steps {
			field := all[at.Type].Fields[at.Field].Name
			if own := loaded[at.Type]; own == nil || own.FieldIndex(field) < 0 {
				return fmt.Errorf("the key must not be left out: %s.%s is part of it", at.Type, field)
			}
		}
	}
	return nil
}
