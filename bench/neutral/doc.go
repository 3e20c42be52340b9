// Package neutral reads and writes the benchmarks' files of records and of
// changes, which favour no engine: bench/README.md describes the bytes. File
// is a whole file in memory, Writer makes one, Cursor decodes a record and the
// Append functions encode one.
package neutral
