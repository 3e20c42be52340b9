// Package featuregate decides, on real data, whether a feature of the web
// platform can be used in a region of the world: the demo's logic, its schemas
// and its data.
//
// An [Edition] holds one published state of three input datasets, features,
// browsers and usage; four are embedded ([Editions]), others are read from a
// folder ([EditionsIn]). [Decide] makes the records of the output dataset,
// availability, of one state of the inputs. It is a function of its arguments:
// no clock, no randomness, no I/O. [Schema] has the protobuf source of each of
// the four datasets, package featuregatepb the Go of them.
//
// The data and its licence: editions/NOTICE.md.
//
// Reading order: schema.go and the .proto files, edition.go, policy.go for the
// rules, support.go and decide.go for how they are applied.
package featuregate

//go:generate go run ./internal/gen
