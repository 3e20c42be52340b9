//go:build !invariants

package state

// checked returns t. With -tags invariants it verifies it, at the cost of a walk
// over all pages of each version of each type.
func checked(t *Type) *Type { return t }
