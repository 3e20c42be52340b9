// Package replica keeps a complete copy of one dataset in memory and moves it
// from version to version.
//
// A [Replica] looks at the announcement log, plans the blobs that lead from
// where it is to the effective version, applies them and swaps one pointer.
// Readers take a [View], which never changes, and hold it as long as they like
// (guarantee G3); they take no lock that a refresh takes (G4). A hint only makes
// it look earlier (G11).
//
// The example shows a program that follows a dataset and has an index of its own in each
// view.
//
// Read view.go, plan.go, catalog.go, replica.go, refresh.go, loads.go and run.go
// in that order; session.go is about views of several datasets.
//
// Invariants:
//
//  1. A View is reachable only after its blobs' digests were verified and its
//     index was built (G1, G8).
//  2. The current View is always at a version that the log announced (G2).
//  3. A failed refresh leaves the current View as it is and is tried again, later
//     and later while the same version fails.
//  4. Loading a version that a caller asked for holds up nobody else.
package replica
