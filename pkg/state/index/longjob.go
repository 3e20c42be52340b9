package index

import "slices"

// longJob is a long list that is not made yet: with many changes that is so
// much work that several processors should do it, also where few keys have it
// all.
type longJob struct {
	to   *long // where it will be
	from *long // nil: there is none before
	change
}

// jobLeast is how many changes of a list make it a job. So many ordinals are
// long whatever they are.
const jobLeast = 8*listBytes + 1

// later returns a list that is one once all jobs are done.
func (e *treeEdit) later(from *long, c change) *long {
	j := longJob{new(long), from, c}
	e.jobs = append(e.jobs, j)
	return j.to
}

// doAll does jobs. It says false if a change is not right.
func doAll(jobs []longJob) bool {
	right := make([]bool, len(jobs))
	inTurns(len(jobs), func(i int) { right[i] = jobs[i].do() })
	return !slices.Contains(right, false)
}

func (j longJob) do() bool {
	var e longEdit
	if j.from == nil {
		*j.to = *e.build(j.added)
		return true
	}
	l, ok := e.apply(j.from, j.change)
	if ok {
		*j.to = *l
	}
	return ok
}
