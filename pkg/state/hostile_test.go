package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestWideFrames holds that frames with many fields or shards and hardly a record
// cost as much with many processors as with one.
func TestWideFrames(t *testing.T) {
	const words = 1 << 16
	wide := newTrap(1).object("T", "INT", 6_000).vints(words*64 - 1).vints(make([]int32, 6_000)...).words()
	for range 6_000 {
		wide.vlong(0)
	}
	wide.sparse(words, 512)
	many := newTrap(1)
	many.blob = append(many.blob, 0)
	many.utf("T")
	many.blob = binary.BigEndian.AppendUint16(many.blob, 100)
	for range 100 {
		many.utf("f").utf("INT")
	}
	many.vints(1, 0, 1<<12, 1<<22)
	for range 1 << 12 {
		many.vints(1 << 10).vints(make([]int32, 100)...).words()
		for range 100 {
			many.vlong(0)
		}
	}
	many.sparse(words, 512)
	for name, p := range map[string]*trap{"fields": wide, "shards": many} {
		for _, processors := range []int{1, 64} {
			withProcessors(processors, func() {
				n := allocated(func() {
					if _, err := state.ReadSnapshotFrom(bytes.NewReader(p.blob), int64(len(p.blob)), nil); err != nil {
						t.Error(err)
					}
				})
				if most := 200 * uint64(len(p.blob)); n > most {
					t.Errorf("many %s, %d processors: %d bytes allocated %d, want at most %d", name, processors, len(p.blob), n, most)
				}
			})
		}
	}
}

// sparse ends a type with one record in every so many words of populated ordinals.
func (p *trap) sparse(words, every int) {
	p.blob = binary.BigEndian.AppendUint32(p.blob, uint32(words))
	for w := range words {
		bit := uint64(0)
		if w%every == 0 {
			bit = 1
		}
		p.blob = binary.BigEndian.AppendUint64(p.blob, bit)
	}
}

// TestDecodingStops holds that nobody goes on decoding what was read before the reader
// failed.
func TestDecodingStops(t *testing.T) {
	const records = 30_000
	blob := writeTypes(t, []string{"A", "B"}, map[string]int{"A": records, "B": 20_000})
	var asked atomic.Int64
	begun, failed, wire := make(chan struct{}), make(chan struct{}), errors.New("the wire is cut")
	filter := (*state.Filter)(nil).Where("A", func(*state.Schema) (func(state.Record) bool, error) {
		return func(r state.Record) bool {
			if r.Ordinal() == 0 {
				close(begun)
			}
			<-failed
			time.Sleep(time.Microsecond) // so that all take far longer than it takes to stop
			return asked.Add(1) > 0
		}, nil
	})
	end := bytes.LastIndex(blob, []byte("endOfB")) // all of A
	src := io.MultiReader(bytes.NewReader(blob[:end]), failing(func() error {
		<-begun
		close(failed)
		return wire
	}))
	withProcessors(1, func() { // all of A is one part
		if _, err := state.ReadSnapshotFrom(src, int64(len(blob)), filter); !errors.Is(err, wire) {
			t.Errorf("error %v", err)
		}
	})
	if n := asked.Load(); n == records {
		t.Error("all records were decoded")
	}
}

// failing is a reader that fails with what it returns.
type failing func() error

func (f failing) Read([]byte) (int, error) { return 0, f() }

// TestLoadPanics holds that no goroutine outlives a load whose caller's code panics.
func TestLoadPanics(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	blob := writeTypes(t, []string{"A"}, nil)
	panics := func(*state.Schema) (func(state.Record) bool, error) { panic("not mine") }
	for _, load := range []func(*state.Filter){
		func(f *state.Filter) { _, _ = state.ReadSnapshotFrom(bytes.NewReader(blob), int64(len(blob)), f) },
		func(*state.Filter) {
			_, _ = state.ReadSnapshotFrom(failing(func() error { panic("nor this") }), int64(len(blob)), nil)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("nothing panicked")
				}
			}()
			load((*state.Filter)(nil).Where("A", panics))
		}()
	}
}

// TestNoProgress holds that a reader which has nothing for ever is an error.
func TestNoProgress(t *testing.T) {
	if _, err := state.ReadSnapshotFrom(failing(func() error { return nil }), 1000, nil); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v, want io.ErrNoProgress", err)
	}
}

// TestDeepFilter holds that a rule does not recurse into types that lead from one to the
// next for ever.
func TestDeepFilter(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(16 << 20))
	const types = 200_000
	var schemas []*state.Schema
	for i := range types {
		schemas = append(schemas, &state.Schema{Name: fmt.Sprint(i), Kind: state.List, Element: fmt.Sprint(i + 1)})
	}
	f, err := state.ParseFilter("rules:excludeAll,includeRecursive:7")
	if err != nil {
		t.Fatal(err)
	}
	if loaded, err := f.Schemas(schemas); err != nil || len(loaded) != types-7 || loaded["6"] != nil {
		t.Errorf("%d types, error %v", len(loaded), err)
	}
}
