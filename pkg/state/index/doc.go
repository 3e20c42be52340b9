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
//     that replaces a record in place, which only a foreign producer can make,
//     causes a rebuild. One that takes away what others still refer to is not
//     noticed: Multi and Sorted find those by the keys that they had.
//  3. A node of the table that two versions share is not written to.
//
// [Multi] finds the records with a key that many may have, also through
// collections, [Sorted] has them in order of a value. Both are a tree from keys
// to packed lists of ordinals, and their records are combined by [Query]. Rules
// 2 and 3 hold for them, too, and
//
//  4. A record is once in the list of each of its keys; a key without records is
//     not in the tree.
//  5. A change that takes from a list what is not in it, or adds what is, is not
//     regular and causes a rebuild.
//
// Reading order: key.go for how keys are read, hashed and compared, block.go and
// table.go for the shared hash table, chain.go, tableedit.go and tablebuild.go
// for how it is made, unique.go for the index. Then rice.go and long.go
// for lists, tree.go, treeedit.go and longjob.go for what leads to them, route.go
// and finder.go for how the keys of records are found, pairs.go, grouped.go and
// exchange.go for how they are put in order, and multi.go, sorted.go and query.go.
package index
