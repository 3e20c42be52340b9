// Package logic is what the owner of a decision imports: code that computes one
// output dataset from n input datasets.
//
// A [Logic] is a pure function of its [Session], which holds one version of
// each input, a clock and a seed; it never sees its previous output, the time
// of day or a random number of its own. So the same logic on the same session
// gives the same content, and that is checked (guarantee G9). Each run is
// recorded as an evaluation, completely enough to run it again.
//
// Read session.go, logic.go, opener.go and history.go in that order.
package logic
