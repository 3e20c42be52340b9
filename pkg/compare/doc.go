// Package compare turns a diff into a verdict. A [Gate] is the rule, a [Report]
// is what was found out about one run of a candidate, in a form that can be
// kept and printed.
//
// What cannot be judged is inconclusive, never a pass (guarantee G10).
package compare
