// Package replay runs a candidate logic on the inputs of a recorded evaluation
// and compares its output with what PROD made of them.
//
// The control, PROD's own build, must make PROD's output again ([Runner.Check]),
// and the candidate must make the same output each time it runs; otherwise
// nothing can be said about it (guarantee G10). The candidate's outputs go to a
// store of their own. [Commands] replays logic that are programs.
//
// Read replay.go, guard.go, commands.go and select.go in that order.
package replay
