// Package announce makes versions known: the announcement log of a dataset,
// Java's names beside it, and gossip that says that the log grew.
//
// The log is a chain of entries in a [blob.Store], one per position, written
// by "create if absent". Its rules:
//
//  1. An [Entry] carries the digest of the one before and the [Fold] of all
//     before. So who is new needs the last entry only, and history cannot be
//     rewritten unseen.
//  2. Whether an entry counts is a pure function of the fold before it
//     ([Fold.Apply]). One that does not is void: it keeps its place and
//     changes nothing.
//  3. A writer appends only behind the head that it has folded, after it has
//     looked at that head again. If another entry is there, the intent is
//     derived anew from the new fold, never sent again as it was.
//  4. An append of unknown outcome is retried with the same bytes at the same
//     position until it is decided, as long as the entry before is the one that
//     it follows; nothing else is appended before.
//  5. A claim fences: its epoch is its own position, an announcement counts
//     only in the newest epoch, and a deposed writer stops for good.
//
// Gossip is a hint: it says where to look, never what is true.
//
// Read entry.go, fold.go, log.go and intent.go in that order; project.go and
// gossip.go stand for themselves.
package announce
