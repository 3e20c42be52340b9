// Command engine measures the state engine, and beside it Netflix Hollow on
// the same data in the same run, and prints a table of figures
// (docs/benchmarks.md). It needs Java 17 and Maven for Hollow; without them it
// measures ours alone.
//
// It makes the data and the blobs (produce.go), starts itself and Hollow's
// side again and again, a process for each phase and run (step.go, run.go), and
// makes figures of what they print (figures.go, option.go, table.go). A phase
// prints a line {"metric", "value"} for each sample; of the samples of a process
// the median counts. What a phase does is in produce.go, follow.go, load.go,
// lookup.go, busy.go, hash.go, compare.go, collect.go and limit.go.
package main
