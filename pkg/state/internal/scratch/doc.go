// Package scratch has memory for large buffers that are needed for a short time
// and given back to the system then: the collector would give it back much later,
// and what a process takes at most would be twice of what it needs.
package scratch
