// Package index answers look-ups in a state. Every index is a state.Index: it
// belongs to one version, never changes, and makes the index of the next
// version out of itself and of what changed, sharing the rest.
//
// [Unique] finds the record with a key. Invariants:
//
//  1. A record of the indexed type is in the table exactly once, under the hash
//     of its key.
//  2. A key cannot change while its record's ordinal stays populated: a record
//     that refers to another one, directly or not, keeps it populated and so
//     keeps its content. An ordinal gets another record only after a version in
//     which it had none, and by then every record that reached it is gone, too.
//     So only the records of the indexed type itself are re-indexed. A delta
//     that breaks this, which only a foreign producer can make, causes a
//     rebuild.
//  3. A node of the table that two versions share is not written to.
//
// Reading order: key.go for how keys are read, hashed and compared, table.go
// for the shared hash table, unique.go for the index.
package index
