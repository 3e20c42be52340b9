// Package logic is what the owner of a decision imports: code that computes one
// output dataset from n input datasets.
//
// A [Logic] is a pure function of its [Session], which holds one version of
// each input, a clock and a seed; it never sees its previous output, the time
// of day or a random number of its own. So the same logic on the same session
// gives the same content, and that is checked (guarantee G9). Each run is
// recorded as an evaluation, completely enough to run it again.
//
// A logic can also be a program of its own, in any language: a [Command]. Its
// host, command.go, host.go and lookup.go, starts it and serves it its session
// on a private socket; [Main] is the other side, in Go. To the rest of the
// world it is a [Func] like any other. See docs/replay.md.
//
// A [Producer] runs a logic as PROD: on the newest versions of its inputs, once
// or whenever they move. "holdfast evaluate" is one around a Command.
//
// Read session.go, message.go, logic.go, output.go, opener.go, history.go and
// producer.go in that order, then command.go, host.go, lookup.go and main.go.
package logic
