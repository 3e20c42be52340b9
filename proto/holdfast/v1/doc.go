// Package holdfastv1 is the generated Go of the protobuf package holdfast.v1,
// and the source text of options.proto, which every schema imports.
package holdfastv1

import _ "embed"

// OptionsPath is the path by which schemas import the options.
const OptionsPath = "holdfast/v1/options.proto"

//go:embed options.proto
var optionsSource []byte

// OptionsSource returns the text of options.proto. The caller owns it.
func OptionsSource() []byte { return append([]byte(nil), optionsSource...) }
