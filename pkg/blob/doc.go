// Package blob keeps the immutable files of datasets: the blobs of each
// version, the manifests that name them by digest, and the files of the
// announcement log.
//
// A [Store] writes create-only: of any number of writers of one key exactly
// one wins, and a key never changes its bytes while it exists. Everything
// above (one chain, one writer) rests on that alone. [Dir] is the store in a
// directory, [Memory] the one for tests; those in buckets of object stores are in
// pkg/blob/cloud. blobtest holds what every store must pass.
//
// The layout of a store is STORE/<dataset>/ with
//
//	blobs/<version>-<sha256>          snapshots, deltas, reverse deltas, headers
//	versions/<version>-<sha256>.json  manifests
//	schemas/<sha256>                  declared schemas
//	log/<20 digits>.json              the announcement log
//
// where the version of a delta and of a reverse delta is the one that they
// were published with. Nothing is found by listing: who refers to a file
// holds its digest.
//
// Read store.go, key.go, manifest.go and dir.go in that order.
package blob
