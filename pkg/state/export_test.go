package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/wire"

// RawStringValue returns the STRING that a state holds for a blob's data, also
// if it is ill-formed.
func RawStringValue(data []byte) Value {
	return Value{kind: String, data: wire.AppendText(nil, data)}
}
