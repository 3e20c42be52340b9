package protomap

import (
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestDeriveReadsGolden derives a declaration for every golden dataset with a
// root type and prints its records with it.
func TestDeriveReadsGolden(t *testing.T) {
	read := 0
	for _, c := range golden.Cases(t) {
		for name, data := range c.Files {
			if !strings.HasPrefix(name, "snapshot-") {
				continue
			}
			s, err := state.ReadSnapshot(data, state.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			root, err := diff.RootType(s)
			if err != nil {
				continue
			}
			m, err := Derived(s.Schemas(), root)
			if err != nil {
				text, _ := Derive(s.Schemas(), root)
				t.Errorf("%s %s: %v\n%s", c.Name, name, err, text)
				continue
			}
			for o := range s.Type(root).Ordinals() {
				if _, err := m.JSON(s.Type(root).Record(o)); err != nil {
					t.Errorf("%s %s: ordinal %d: %v", c.Name, name, o, err)
					break
				}
				read++
			}
		}
	}
	if read < 500 {
		t.Errorf("only %d records were read", read)
	}
}
