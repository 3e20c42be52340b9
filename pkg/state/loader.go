package state

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/state/internal/mapped"
)

// A loader decodes the frames of a snapshot, with as many goroutines as there
// are processors, in the order in which it gets them. It holds no frame longer than it
// must.
type loader struct {
	loads   []*typeLoad
	size    int64  // of the snapshot, in bytes
	file    []byte // the snapshot, if it is a mapped file
	work    errgroup.Group
	ahead   int64 // how many bytes may wait while further frames are read
	stopped atomic.Bool

	mu      sync.Mutex
	changed sync.Cond   // of what follows, and of stopped
	queue   []*loadPart // that nobody has begun
	waiting int64       // their bytes
	ended   bool        // there are no further frames
}

// errStopped says that nothing is decoded any more, because of an error that somebody
// else returns.
var errStopped = errors.New("decoding has failed")

// aheadShare is what part of a snapshot may be read and wait: enough that processors
// have something to decode while a large frame is read, and little beside the state.
const aheadShare = 16

// newLoader returns a loader of a snapshot of that many bytes, which are there already
// if they are mapped. Whoever made it closes it.
func newLoader(size int64, file []byte) *loader {
	l := &loader{size: size, file: file, ahead: size / aheadShare}
	l.changed.L = &l.mu
	for range runtime.GOMAXPROCS(0) {
		l.work.Go(l.decode)
	}
	return l
}

// decode decodes parts until there are no more.
func (l *loader) decode() error {
	for p := l.next(); p != nil; p = l.next() {
		if err := mapped.Guard(l.file, func() error { return p.of.load(p) }); err != nil {
			l.stop()
			return ignore(err, errStopped)
		}
	}
	return nil
}

// stop ends all decoding.
func (l *loader) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped.Store(true)
	l.changed.Broadcast()
}

// next returns a part that nobody has begun, nil if none will come. It waits for one.
func (l *loader) next() *loadPart {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ended && !l.stopped.Load() {
		l.changed.Wait()
	}
	if len(l.queue) == 0 || l.stopped.Load() {
		return nil
	}
	p := l.queue[0]
	l.queue[0] = nil // or it would be held as long as the queue
	l.queue = l.queue[1:]
	l.waiting -= p.size
	l.changed.Broadcast()
	return p
}

// add has a frame decoded into the type own. It waits until what nobody has begun to
// decode is so little that a further frame may be read. Once decoding has failed it fails
// with errStopped.
func (l *loader) add(f *frame, own loadedType) error {
	if l.stopped.Load() {
		return errStopped
	}
	t, err := newTypeLoad(f, own, &l.stopped)
	if err != nil {
		return err
	}
	l.loads = append(l.loads, t)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range t.parts {
		l.queue = append(l.queue, p)
		l.waiting += p.size
	}
	l.changed.Broadcast()
	for l.waiting > l.ahead && !l.stopped.Load() {
		l.changed.Wait()
	}
	return nil
}

// types returns what the frames were decoded into, in their order. It fails with
// errStopped if it was stopped.
func (l *loader) types() ([]*Type, error) {
	l.mu.Lock()
	l.ended = true
	l.changed.Broadcast()
	l.mu.Unlock()
	if err := l.work.Wait(); err != nil {
		return nil, err
	}
	if l.stopped.Load() {
		return nil, errStopped
	}
	types := make([]*Type, len(l.loads))
	for i, t := range l.loads {
		types[i] = t.done
	}
	return types, nil
}

// close ends the loader's goroutines, whatever they do, and gives back what was not
// decoded.
func (l *loader) close() {
	l.stop()
	_ = l.work.Wait() // types has said it
	for _, t := range l.loads {
		if t.frame != nil {
			t.release()
		}
	}
}

// loadTypes decodes the frames of the types that are loaded, of a snapshot of that many
// bytes.
func loadTypes(frames []*frame, size int64, loaded map[string]loadedType) ([]*Type, error) {
	l := newLoader(size, nil)
	defer l.close()
	for _, f := range frames {
		own, ok := loaded[f.schema.Name]
		if !ok {
			continue
		}
		if err := l.add(f, own); errors.Is(err, errStopped) {
			break // types says why
		} else if err != nil {
			return nil, err
		}
	}
	return l.types()
}

// ignore returns err unless it is another one.
func ignore(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}
