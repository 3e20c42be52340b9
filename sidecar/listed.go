package sidecar

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/replica"
)

// listed are the versions of a dataset that lists under way read. Each stays in
// memory for as long as the callers take to read it, so that those who are slow,
// each at another version, could keep any number of them. There are at most so
// many: where one more is listed, the lists of the oldest one end, but not those of
// the version that is served, which is in memory anyway. One that was let go and
// loaded again is in memory twice, and counts so.
type listed struct {
	most int

	mu       sync.Mutex // nothing is sent or waited for while it is held
	versions []*listing // oldest first
}

// listing is one of these versions.
type listing struct {
	view  *replica.View
	most  int           // as in listed
	lists int           // under way; guarded by the mutex of listed
	over  chan struct{} // is closed when they have to end
}

func newListed(most int) *listed { return &listed{most: most} }

// enter counts a list in, until leave, and ends those of the oldest version if
// there is one too many. It fails if that is this one. Those of the current version,
// which a pin may have made an old one, are not ended.
func (l *listed) enter(view, current *replica.View) (*listing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.at(view)
	x.lists++
	at := slices.IndexFunc(l.versions, func(x *listing) bool { return x.view != current })
	if len(l.versions) <= l.most || at < 0 {
		return x, nil
	}
	oldest := l.versions[at]
	l.versions = slices.Delete(l.versions, at, at+1)
	close(oldest.over)
	if oldest == x {
		return nil, x.tooOld()
	}
	return x, nil
}

// at returns the listing of a view, which is made if there is none. The mutex is
// held.
func (l *listed) at(view *replica.View) *listing {
	for _, x := range l.versions {
		if x.view == view {
			return x
		}
	}
	x := &listing{view: view, most: l.most, over: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(l.versions, view, func(x *listing, v *replica.View) int {
		return cmp.Or(cmp.Compare(x.view.Version(), v.Version()), -1) // behind its like
	})
	l.versions = slices.Insert(l.versions, at, x)
	return x
}

// leave counts a list out.
func (l *listed) leave(x *listing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.lists--
	if at := slices.Index(l.versions, x); at >= 0 && x.lists == 0 {
		l.versions = slices.Delete(l.versions, at, at+1)
	}
}

// count returns the number of versions.
func (l *listed) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.versions)
}

// tooOld is why the lists of a version have to end.
func (x *listing) tooOld() error {
	return fmt.Errorf("%w: more than %d of the dataset, of which %s is the oldest (limits.max_listed_versions)", errListed, x.most, x.view.Version())
}
