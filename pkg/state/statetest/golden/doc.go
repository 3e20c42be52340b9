// Package golden gives tests the golden vectors of Hollow's format: blobs made
// by the real Java library, with what that library reads from them. The files
// are in pkg/state/testdata/golden, whose README explains the layout and the
// dump format.
//
// A test ranges over [Cases]; for each [Check] of a case it loads the files
// that Check.Load names and compares the state with Case.Expected. Vectors are
// only ever added, never edited. Read case.go, then index.go and dump.go.
package golden
