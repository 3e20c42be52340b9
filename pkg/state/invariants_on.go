//go:build invariants

package state

// checked panics unless t is well-formed.
func checked(t *Type) *Type {
	if err := t.verify(); err != nil {
		panic("type " + t.schema.Name + ": " + err.Error())
	}
	return t
}
