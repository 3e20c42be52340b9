package state

// hashedRecord is a record whose hash will be needed.
type hashedRecord struct {
	t *typeHasher
	o Ordinal
}

const (
	// askedLevels is how many references deep a Hasher asks for memory.
	askedLevels = 4
	// maxAsked bounds how many records it asks for at a time.
	maxAsked = 1 << 10
)

// ask asks for the memory of records whose hashes will be needed, and of what
// they refer to: level by level, each of many records at a time, where Sum waits
// for one after the other. It changes no result.
func (h *Hasher) ask(t *typeHasher, list []Ordinal) {
	h.asked = h.asked[:0]
	for _, o := range list {
		h.asked = append(h.asked, hashedRecord{t, o})
	}
	for level := 0; level < askedLevels && len(h.asked) > 0; level++ {
		for _, r := range h.asked {
			r.t.ask(r.o)
		}
		unknown := h.asked[:0]
		for _, r := range h.asked {
			if !r.t.known(r.o) && r.t.t.Populated(r.o) {
				r.t.t.prefetch(r.o)
				unknown = append(unknown, r)
			}
		}
		h.then = h.then[:0]
		for _, r := range unknown {
			h.then = r.appendChildren(h.then)
		}
		h.asked, h.then = h.then, h.asked
	}
}

// appendChildren appends what a record refers to, up to maxAsked in all.
func (r hashedRecord) appendChildren(list []hashedRecord) []hashedRecord {
	rec := r.t.t.Record(r.o)
	for f, child := range r.t.refs {
		if child == nil || len(list) >= maxAsked {
			continue
		}
		if o := rec.Reference(f); o != NoOrdinal {
			list = append(list, hashedRecord{child, o})
		}
	}
	if r.t.parts[0] == nil {
		return list
	}
	p := rec.page()
	for e, end := p.entries(rec.slot()); e < end && len(list) < maxAsked; e++ {
		list = append(list, hashedRecord{r.t.parts[0], Ordinal(p.entry(e, 0))})
		if r.t.parts[1] != nil {
			list = append(list, hashedRecord{r.t.parts[1], Ordinal(p.entry(e, 1))})
		}
	}
	return list
}
