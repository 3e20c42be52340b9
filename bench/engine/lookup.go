package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// batch is how many keys one call of perOperation looks up.
const batch = 1 << 14

// reader looks up keys in random order.
type reader struct {
	x    *index.Unique
	t    *state.Type
	keys []int64
	at   int
}

// next returns the keys of the next call.
func (r *reader) next(n int) []int64 {
	if r.at+n > len(r.keys) {
		r.at = 0
	}
	r.at += n
	return r.keys[r.at-n : r.at]
}

// phaseRead times look-ups, whole records and a scan in a fresh state.
func phaseRead(w workspace, args []string) error {
	f, err := openFolder(w.file(args[0]))
	if err != nil {
		return err
	}
	s, err := f.load(w.kind.Root)
	if err != nil {
		return err
	}
	s.Settle(context.Background()) // as a replica does
	list, err := w.keys()
	if err != nil {
		return err
	}
	r := &reader{x: keys(s), t: s.Type(w.kind.Root), keys: list}
	three := numbersOf(w, r.t)
	emit("get3", perOperation(batch, r.numbers(three)))
	other := &reader{x: r.x, t: r.t, keys: list, at: len(list) / 2}
	emit("get3_2threads", perOperation(batch, r.numbers(three), other.numbers(three)))
	emit("get3_batch16", perOperation(batch, r.batches(three)))
	text := r.t.Schema().FieldIndex(w.kind.Text)
	emit("get_view", perOperation(batch, r.view(text)))
	emit("get_copy", perOperation(batch, r.copied(text)))
	emit("whole", perOperation(batch/16, r.whole(s)))
	scan := r.t.Schema().FieldIndex(w.kind.Scan)
	emit("scan", perOperation(r.t.Len(), r.scan(scan)))
	if w.kind.Root != "City" { // whose names are not ASCII: a length in UTF-16 is another one
		write(sample{Metric: "whole_sum", Text: fmt.Sprint(r.wholeSum(s))})
	}
	return nil
}

func (r *reader) numbers(f numbers) func() int64 {
	return func() int64 { return f.lookUp(r.x, r.next(batch)) }
}

// batches is numbers with sixteen keys at a time.
func (r *reader) batches(f numbers) func() int64 {
	const size = 16
	return func() (sum int64) {
		var found [size]state.Record
		fields := f.fields()
		for ids := range slices.Chunk(r.next(batch), size) {
			r.x.Longs(found[:], ids, fields...)
			sum += f.read(found[:])
		}
		return sum
	}
}

func (r *reader) view(f int) func() int64 {
	return func() int64 {
		var sum int64
		for _, id := range r.next(batch) {
			text, _ := get(r.x, id).StringView(f)
			sum += int64(len(text)) + int64(text[0])
		}
		return sum
	}
}

func (r *reader) copied(f int) func() int64 {
	var b []byte
	return func() int64 {
		var sum int64
		for _, id := range r.next(batch) {
			b, _ = get(r.x, id).AppendString(b[:0], f)
			sum += int64(len(b)) + int64(b[0])
		}
		return sum
	}
}

func (r *reader) scan(f int) func() int64 {
	return func() int64 {
		var sum int64
		s := r.t.Scan(f)
		for s.Next() {
			for _, v := range s.Longs() {
				sum += v
			}
		}
		return sum
	}
}

func (r *reader) whole(s *state.State) func() int64 {
	visit := visitorOf(s, r.t.Schema().Name)
	return func() int64 {
		var sum int64
		for _, id := range r.next(batch / 16) {
			sum += visit(get(r.x, id))
		}
		return sum
	}
}

// wholeSum visits every record once. Hollow's side must get the same.
func (r *reader) wholeSum(s *state.State) int64 {
	visit := visitorOf(s, r.t.Schema().Name)
	var sum int64
	for o := range r.t.Ordinals() {
		sum += visit(r.t.Record(o))
	}
	return sum
}
