package state

// Entry is one entry of a MAP: the ordinals of its key and value.
type Entry struct{ Key, Value Ordinal }
