// Package compare turns a diff into a verdict. [Rules] say what is compared,
// their [Gate] what may not differ, and a [Report] is what was found out about
// one run of a candidate, in a form that can be kept and printed.
//
// What cannot be judged is inconclusive, never a pass (guarantee G10).
//
// Read gate.go, rules.go and report.go in that order.
package compare
