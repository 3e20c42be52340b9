// Package cycle makes versions. One cycle builds a state from records, writes
// its blobs, verifies them by reading them back, publishes them and announces
// the version; producers and the outputs of logic use the same one.
//
// Read cycle.go, encode.go, verify.go and publish.go in that order.
//
// Invariants:
//
//  1. Nothing is announced that was not read back: the snapshot and the delta
//     lead to the state's content checksum, the reverse delta to the one before.
//  2. A failure before the announcement changes nothing that a reader can see
//     (guarantee G6); the next cycle starts from the announced version.
//  3. A cycle whose content and schema are those of the version before
//     publishes nothing.
package cycle
