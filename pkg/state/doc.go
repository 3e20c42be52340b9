// Package state is the state engine: it holds the complete content of a
// dataset at one version, densely packed, and reads and writes Netflix Hollow's
// blobs (docs/format/hollow.md).
//
// A [State] has [Type]s; a type has records, each a [Record] named by its
// [Ordinal]. Records are deduplicated by content and refer to each other by
// ordinal. The package knows no clock, network, log or global variable.
//
// Invariants:
//
//  1. A State, and all that is reached from it, never changes. Any number of
//     goroutines may read it without a lock, for as long as they hold it.
//  2. Applying a delta copies the pages that it adds records to and shares all
//     others; removals copy only bits.
//  3. Within one delta no ordinal is both removed and added.
//  4. Whatever bytes are decoded, the outcome is an error that wraps
//     [ErrCorrupt] or a well-formed state, in space proportional to the bytes.
//
// Reading order: schema.go, value.go, record.go, type.go and state.go for what
// a state is; page.go and pagebuilder.go for how it lies in memory; frame.go,
// decode.go and read.go for how blobs are read; builder.go and transition.go
// for how versions are made and written; checksum.go for what names a content.
package state
