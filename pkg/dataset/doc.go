// Package dataset is the vocabulary that every part of Holdfast shares: the
// name of a dataset, its versions, the digests that name immutable bytes, and
// the lineage that says where a version came from.
//
// It imports nothing of ours and does no I/O. Read name.go, version.go,
// digest.go and lineage.go in that order.
package dataset
