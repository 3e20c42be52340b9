package state

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A loader decodes the frames of a snapshot, with as many goroutines as there
// are processors, in the order in which it gets them. It holds no frame longer than it
// must.
type loader struct {
	loads []*typeLoad
	work  errgroup.Group
	ahead int64 // how many bytes may wait while further frames are read

	mu      sync.Mutex
	changed sync.Cond   // of what follows
	queue   []*loadPart // that nobody has begun
	waiting int64       // their bytes
	ended   bool        // there are no further frames
	failed  bool
}

// errStopped says that nothing is decoded any more, because of an error that types
// returns.
var errStopped = errors.New("decoding has failed")

// aheadShare is what part of a snapshot may be read and wait: enough that processors
// have something to decode while a large frame is read, and little beside the state.
const aheadShare = 16

// newLoader returns a loader of a snapshot of that many bytes. Its goroutines end with
// types.
func newLoader(size int64) *loader {
	l := &loader{ahead: size / aheadShare}
	l.changed.L = &l.mu
	for range runtime.GOMAXPROCS(0) {
		l.work.Go(l.decode)
	}
	return l
}

// decode decodes parts until there are no more.
func (l *loader) decode() error {
	for p := l.next(); p != nil; p = l.next() {
		if err := p.of.load(p); err != nil {
			l.tell(&l.failed)
			return err
		}
	}
	return nil
}

// next returns a part that nobody has begun, nil if none will come. It waits for one.
func (l *loader) next() *loadPart {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ended && !l.failed {
		l.changed.Wait()
	}
	if len(l.queue) == 0 || l.failed {
		return nil
	}
	p := l.queue[0]
	l.queue[0] = nil // it is long
	l.queue = l.queue[1:]
	l.waiting -= p.size
	l.changed.Broadcast()
	return p
}

// tell sets one of the loader's flags.
func (l *loader) tell(flag *bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*flag = true
	l.changed.Broadcast()
}

// add has a frame decoded into the type own. It waits until what nobody has begun to
// decode is so little that a further frame may be read. Once decoding has failed it fails
// with errStopped.
func (l *loader) add(f *frame, own loadedType) error {
	if err := l.err(); err != nil {
		return err
	}
	t, err := newTypeLoad(f, own)
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
	for l.waiting > l.ahead && !l.failed {
		l.changed.Wait()
	}
	return nil
}

// err returns errStopped once decoding has failed.
func (l *loader) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed {
		return errStopped
	}
	return nil
}

// types returns what the frames were decoded into, in their order.
func (l *loader) types() ([]*Type, error) {
	l.tell(&l.ended)
	if err := l.work.Wait(); err != nil {
		for _, t := range l.loads {
			if t.frame != nil {
				t.release()
			}
		}
		return nil, err
	}
	types := make([]*Type, len(l.loads))
	for i, t := range l.loads {
		types[i] = t.done
	}
	return types, nil
}

// loadTypes decodes the frames of the types that are loaded, of a snapshot of that many
// bytes.
func loadTypes(frames []*frame, size int64, loaded map[string]loadedType) ([]*Type, error) {
	l := newLoader(size)
	for _, f := range frames {
		if own, ok := loaded[f.schema.Name]; ok {
			if err := l.add(f, own); err != nil {
				_, cause := l.types()
				return nil, errors.Join(ignore(err, errStopped), cause)
			}
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
