// Package data makes the benchmarks' datasets: a base of records and a chain
// of changes, both a pure function of kind, size and seed.
//
// A Source numbers the records that there may be and encodes each after any
// number of changes (package neutral has the values). A Chain picks, cycle by
// cycle, which are changed, added and removed. A Kind knows the schema of what
// a Source encodes and hands such a record to an engine.
package data
