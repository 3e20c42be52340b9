// Package diff compares two states record by record. Records of the root type
// are matched by key; two records say the same if all that they reach says the
// same, whatever their ordinals are. The states may be of different chains and
// have different schemas.
//
// Of two versions of one chain it looks only at what they do not share in
// memory. Otherwise it passes over both states once, with an index of the keys
// of one of them. Of what it finds it keeps counts, a bounded sample and, while
// it runs, four bytes for each record that has no equal partner.
//
// Reading order: diff.go for what is asked and answered, compare.go for the
// matching, fields.go for where two records differ, sample.go for the examples.
package diff
