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
//  2. Applying a delta packs the pages anew that it adds records to and shares
//     all others, some of which it moves; removals change page-table entries
//     only. What a version looks at is never written again.
//  3. Within one delta no ordinal is both removed and added.
//  4. Whatever bytes are decoded, the outcome is an error that wraps
//     [ErrCorrupt] or a well-formed state, in space proportional to the bytes.
//
// Reading order: schema.go, value.go, record.go, type.go and state.go for what
// a state is. For how it lies in memory (docs/memory.md): page.go and
// pagelayout.go for how a value is found, pageplan.go and pagebuilder.go for how
// a page is packed, pagetable.go, change.go and internal/arena for what versions
// share, scan.go for many values at once, pagedump.go to look at it. For how
// blobs are read: frame.go, decode.go, load.go and read.go. For how versions are
// made and written: builder.go, editor.go and transition.go. For what names a
// content: checksum.go and hasher.go. With -tags invariants each type that is
// made is verified (verify.go).
package state
