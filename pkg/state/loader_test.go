package state_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestReadAhead holds that a snapshot is read on while a type is decoded: small types
// keep nobody from it, but of large ones only one waits to be decoded.
func TestReadAhead(t *testing.T) {
	blob := writeTypes(t, []string{"A", "B", "C", "D", "E"}, map[string]int{"A": 20_000, "D": 20_000, "E": 40_000})
	decoding, decode := make(chan struct{}), make(chan struct{})
	filter := (*state.Filter)(nil).Where("A", func(*state.Schema) (func(state.Record) bool, error) {
		return func(r state.Record) bool {
			if r.Ordinal() == 0 {
				close(decoding)
				<-decode
			}
			return true
		}, nil
	})
	src := &counted{r: bytes.NewReader(blob)}
	done := make(chan error)
	withProcessors(1, func() {
		go func() {
			_, err := state.ReadSnapshotFrom(src, int64(len(blob)), filter)
			done <- err
		}()
		<-decoding
	})
	third, last := int64(bytes.Index(blob, []byte("endOfD"))), int64(bytes.LastIndex(blob, []byte("endOfE")))
	for src.n.Load() < third {
		time.Sleep(time.Millisecond) // as long as tests may take
	}
	time.Sleep(20 * time.Millisecond) // for who would read on
	if n := src.n.Load(); n >= last {
		t.Errorf("%d bytes were read, though two large types were not decoded", n)
	}
	close(decode)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := src.n.Load(); n < last {
		t.Errorf("%d bytes were read", n)
	}
}

// writeTypes returns a snapshot of types in that order, which have so many records, or
// one, the last of which has the text "endOf" and the name of the type.
func writeTypes(t *testing.T, names []string, records map[string]int) []byte {
	t.Helper()
	text := ""
	for _, name := range names {
		text += name + " { string text; } "
	}
	schemas, err := state.ParseSchemas(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for i := range max(records[name], 1) {
			value := fmt.Sprintf("record %d", i)
			if i >= records[name]-1 {
				value = "endOf" + name
			}
			if _, err := b.AddObject(name, []state.Value{state.StringValue(value)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	var blob bytes.Buffer
	if err := (state.Transition{Next: s, Layout: state.Layout{Types: names}}).WriteSnapshot(&blob); err != nil {
		t.Fatal(err)
	}
	return blob.Bytes()
}

// counted is a reader that counts the bytes that were read.
type counted struct {
	r *bytes.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
