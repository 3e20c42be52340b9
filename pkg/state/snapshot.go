package state

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state/internal/mapped"
	"github.com/holdfast-data/holdfast/pkg/state/internal/scratch"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrFault says that a mapped file could not be read.
var ErrFault = mapped.ErrFault

// ReadOptions says what of a snapshot is loaded. The zero value loads all of
// the main blob.
type ReadOptions struct {
	// Parts are the optional parts to load with the snapshot.
	Parts []Part
	// Filter leaves out types, fields and records, for this snapshot and its deltas; nil
	// keeps all.
	Filter *Filter
}

// ReadSnapshot decodes a snapshot. The state keeps no reference to data. Space
// and time are in proportion to data, whatever it says. Errors wrap ErrCorrupt.
func ReadSnapshot(data []byte, opts ReadOptions) (*State, error) {
	h, frames, err := readBlob(data, opts.Parts, false, nil)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	all := make([]*Schema, len(frames))
	for i, f := range frames {
		all[i] = f.schema
	}
	loaded, err := opts.Filter.resolve(all)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	types, err := loadTypes(frames, int64(len(data)), loaded)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return newState(h, types), nil
}

// ReadSnapshotFrom decodes the snapshot of size bytes that r has, without its
// optional parts and without holding all of it in memory: each type is decoded
// while the next ones are read. Errors wrap ErrCorrupt or those of r. It may read
// less than r has; nobody but who knows the digest of all can say that a blob is
// not damaged. What was decoded is given back at once, so large types whose values do
// not lie behind each other in the order of their records, as all writers lay them,
// are refused. filter leaves out types, fields and records, for its deltas too, and
// fails with ErrNotBindable for old blobs, whose header has no schemas; nil keeps all.
func ReadSnapshotFrom(r io.Reader, size int64, filter *Filter) (*State, error) {
	pool := new(scratch.Pool)
	defer pool.Close()
	types := newLoader(size, nil)
	defer types.close()
	var buffers [][]byte // of the frame under way, which may not be read to its end
	defer func() { (&frame{buffers: buffers, pool: pool}).free() }()
	in := wire.NewStream(untilStopped{r, &types.stopped}, int(size), func(n int) []byte {
		b := pool.Get(n)
		buffers = append(buffers, b)
		return b
	})
	return types.read(in, filter, func(f *frame) {
		f.passing, f.buffers, f.pool, buffers = true, buffers, pool, nil
	})
}

// ReadSnapshotMapped is ReadSnapshotFrom for a snapshot that is a mapped file, which is
// quicker than to read it. data must be nothing else: the memory is given back to the
// system behind who decodes it, so other memory would be empty then. Nobody may write to the
// file meanwhile. If it is cut, or its disk fails, that is ErrFault and ends no process.
func ReadSnapshotMapped(data []byte, filter *Filter) (s *State, err error) {
	types := newLoader(int64(len(data)), data)
	defer types.close()
	fault := mapped.Guard(data, func() error {
		s, err = types.read(wire.NewReader(data), filter, func(f *frame) { f.passing = true })
		return nil
	})
	if fault != nil {
		return nil, fmt.Errorf("read snapshot: %w", fault)
	}
	return s, err
}

// read decodes a snapshot of which begin is told each frame that is to be decoded.
func (l *loader) read(in *wire.Reader, filter *Filter, begin func(*frame)) (*State, error) {
	h, schemas := readHeader(in)
	allow := newAllowance(l.size)
	w, err := newWanted(filter, schemas)
	if err != nil {
		in.FailWith(err)
	}
	eachFrame(in, false, w.has, func(f *frame) error {
		f.allow = allow
		begin(f)
		err := l.add(f, w.of(f))
		if err != nil {
			f.free()
		}
		return err
	})
	if err := ignore(in.Err(), errStopped); err != nil {
		l.stop()
		_, cause := l.types()
		return nil, fmt.Errorf("read snapshot: %w", errors.Join(err, ignore(cause, errStopped)))
	}
	list, err := l.types()
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return newState(h, list), nil
}

// wanted says which frames of a stream are decoded, by the schemas in its header.
type wanted struct {
	all    map[string]*Schema
	loaded map[string]loadedType
}

// newWanted resolves a filter, which may be nil, by the schemas in a header.
func newWanted(filter *Filter, schemas []*Schema) (wanted, error) {
	if filter == nil { // the header of an old blob has no schemas
		return wanted{}, nil
	}
	w := wanted{all: map[string]*Schema{}}
	for _, s := range schemas {
		w.all[s.Name] = s
	}
	var err error
	w.loaded, err = filter.resolve(schemas)
	return w, err
}

// has says whether a frame is decoded.
func (w wanted) has(f *frame) (bool, error) {
	if w.all == nil {
		return true, nil
	}
	if len(w.all) == 0 {
		return false, fmt.Errorf("its header has no schemas, which a filter needs to read from a stream: %w", ErrNotBindable)
	}
	if s := w.all[f.schema.Name]; s == nil || !s.Equal(f.schema) {
		return false, f.corrupt("its schema is not that of the header, where a filter looks for it")
	}
	_, ok := w.loaded[f.schema.Name]
	return ok, nil
}

// of returns what a frame that is decoded becomes.
func (w wanted) of(f *frame) loadedType {
	if w.all == nil {
		return loadedType{schema: f.schema}
	}
	return w.loaded[f.schema.Name]
}

// untilStopped is a reader that ends with errStopped once nobody decodes what was
// read.
type untilStopped struct {
	src     io.Reader
	stopped *atomic.Bool
}

// emptyReads is after how many reads without a byte a reader is taken to have none.
const emptyReads = 100

func (u untilStopped) Read(b []byte) (int, error) {
	const atOnce = 4 << 20
	for range emptyReads {
		if u.stopped.Load() {
			return 0, errStopped
		}
		if n, err := u.src.Read(b[:min(len(b), atOnce)]); n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
