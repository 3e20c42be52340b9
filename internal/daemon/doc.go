// Package daemon is what every long-running part of Holdfast does at its edge:
// read a configuration, log, listen, answer on an admin port and stop.
//
// A configuration is a struct with a default in each field. [Load] puts values
// from a file, the environment and flags over them and remembers where each one
// came from ([Origins]); an unknown key is an error that suggests a known one.
//
// Read load.go, decode.go, suggest.go and print.go for configurations; log.go,
// listen.go, admin.go, stop.go and metrics.go stand alone.
package daemon
