// Package replay runs a candidate logic on the inputs of a recorded evaluation
// and compares its output with what PROD made of them.
//
// First the control, PROD's own build, must make PROD's output again
// ([Runner.Check]); otherwise nothing can be said about the candidate (guarantee
// G10). The candidate's outputs go to a store of their own.
package replay
