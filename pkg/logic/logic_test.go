package logic_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// world is a store with datasets of records {id, v}.
type world struct {
	t       testing.TB
	store   blob.Store
	mapping *protomap.Mapping
}

func newWorld(t testing.TB) *world {
	t.Helper()
	m, err := protomap.Compile(t.Context(), "n.proto", func(path string) ([]byte, error) {
		if path != "n.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(`syntax = "proto3"; import "holdfast/v1/options.proto";
			message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int64 v = 2; }`), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, blob.NewMemory(), m}
}

func (w *world) cycle(n dataset.Name) *cycle.Cycle {
	w.t.Helper()
	c, err := cycle.Open(w.t.Context(), cycle.Config{
		Dataset: n, Store: w.store, Mapping: w.mapping, Author: announce.Author{Name: "test"},
		SnapshotEvery: 2, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) record(id string, v int64) proto.Message {
	m := dynamicpb.NewMessage(w.mapping.Message())
	fields := w.mapping.Message().Fields()
	m.Set(fields.ByName("id"), protoreflect.ValueOfString(id))
	m.Set(fields.ByName("v"), protoreflect.ValueOfInt64(v))
	return m
}

// publish makes a version of an input and returns its view.
func (w *world) publish(n dataset.Name, values map[string]int64) *replica.View {
	w.t.Helper()
	c := w.cycle(n)
	_, err := c.Run(w.t.Context(), dataset.Lineage{}, func(sink protomap.Sink) error {
		for id, v := range values {
			if _, err := w.mapping.Add(sink, w.record(id, v).ProtoReflect()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Base()
}

// values returns the content of a view.
func (w *world) values(v *replica.View) map[string]int64 {
	out := map[string]int64{}
	for o := range v.Root().Ordinals() {
		m := dynamicpb.NewMessage(w.mapping.Message())
		b, err := v.Mapping.Append(nil, v.Root().Record(o))
		if err == nil {
			err = proto.Unmarshal(b, m)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		fields := w.mapping.Message().Fields()
		out[m.Get(fields.ByName("id")).String()] = m.Get(fields.ByName("v")).Int()
	}
	return out
}

// sum is a logic that adds the values of left and right by id.
func (w *world) sum(change func(emit func(id string, v int64) error) error) *logic.Logic {
	return &logic.Logic{
		Name: "sum", Build: "sum-1", Inputs: []dataset.Name{"left", "right"}, Output: w.mapping,
		Run: func(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
			sums := map[string]int64{}
			for _, n := range []dataset.Name{"left", "right"} {
				v, err := s.View(n)
				if err != nil {
					return err
				}
				for id, x := range w.values(v) {
					sums[id] += x
				}
			}
			write := func(id string, v int64) error { return emit(w.record(id, v)) }
			for id, v := range sums { // in any order
				if err := write(id, v); err != nil {
					return err
				}
			}
			if change != nil {
				return change(write)
			}
			return nil
		},
	}
}

var clock = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// TestEvaluations records runs that made a version and runs that did not, in
// order, and makes each again.
func TestEvaluations(t *testing.T) {
	w := newWorld(t)
	l := w.sum(nil)
	if all, err := logic.Evaluations(t.Context(), w.store, "out"); err != nil || len(all) > 0 {
		t.Errorf("nothing ran: %v, error %v", all, err)
	}
	var ran []dataset.Evaluation
	for i, values := range []map[string]int64{{"a": 1}, {"a": 2}, {"a": 2, "b": 1}} {
		left := w.publish("left", values)
		for j, right := range []map[string]int64{{"a": 5}, {"a": 5, "b": 0}, {"a": 6}} {
			s := logic.NewSession([]*replica.View{left, w.publish("right", right)}, clock.Add(time.Duration(i+j)), dataset.Seed(i))
			e, r, err := l.Evaluate(t.Context(), s, w.cycle("out")) // a restart each
			if err != nil {
				t.Fatal(err)
			}
			if e.Output != r.Version || len(e.Inputs) != 2 || e.Build != "sum-1" || e.Logic != "sum" || !e.Clock.Equal(s.Clock()) || e.Platform == "" {
				t.Errorf("evaluation %+v, result %+v", e, r)
			}
			ran = append(ran, e)
			// The same inputs once more change nothing, and are an evaluation.
			again, r, err := l.Evaluate(t.Context(), s, w.cycle("out"))
			if err != nil || r.Published || again.Output != e.Output {
				t.Errorf("once more: %+v, %+v, error %v", again, r, err)
			}
			ran = append(ran, again)
		}
	}
	all, err := logic.Evaluations(t.Context(), w.store, "out")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(all, ran) {
		t.Errorf("evaluations are\n%+v, ran\n%+v", all, ran)
	}
	inputs, outputs := logic.NewOpener(w.store), logic.NewOpener(w.store)
	for _, e := range all {
		s, err := inputs.Session(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Compute(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		want, err := outputs.View(t.Context(), "out", e.Output)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := got.State.Checksum(); err != nil || sum != want.Manifest.Checksum || !reflect.DeepEqual(w.values(got), w.values(want)) {
			t.Errorf("made again: %v with checksum %s, was %v with %s, error %v", w.values(got), sum, w.values(want), want.Manifest.Checksum, err)
		}
	}
}

// TestBuildIsRecorded names the code of a logic that declares no build: a
// command by its program and arguments, a function by this executable.
func TestBuildIsRecorded(t *testing.T) {
	w := newWorld(t)
	left, right := w.publish("left", map[string]int64{"a": 1}), w.publish("right", nil)
	s := logic.NewSession([]*replica.View{left, right}, clock, 1)
	own, err := logic.ExecutableBuild()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := &logic.Command{Args: []string{self, "nothing"}, Timeout: time.Minute}
	ofCommand, err := command.Build()
	if err != nil {
		t.Fatal(err)
	}
	function := w.sum(nil)
	function.Build = ""
	for want, l := range map[string]*logic.Logic{own: function, ofCommand: command.Logic("out", w.mapping)} {
		e, _, err := l.Evaluate(t.Context(), s, w.cycle("out"))
		if err != nil || e.Build != want || e.Logic == "" {
			t.Errorf("evaluation by %q %q, want build %s, error %v", e.Logic, e.Build, want, err)
		}
	}
	all, err := logic.Evaluations(t.Context(), w.store, "out")
	if err != nil || len(all) != 2 || all[0].Build == "" || all[1].Build == "" || all[0].Build == all[1].Build {
		t.Errorf("recorded: %+v, error %v", all, err)
	}
	lost := &logic.Command{Args: []string{filepath.Join(t.TempDir(), "lost")}}
	if _, _, err := lost.Logic("out", w.mapping).Evaluate(t.Context(), s, w.cycle("out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command that is not there: error %v", err)
	}
}

// TestFailedLogic leaves the output as it was, whatever fails.
func TestFailedLogic(t *testing.T) {
	w := newWorld(t)
	left, right := w.publish("left", map[string]int64{"a": 1}), w.publish("right", map[string]int64{"b": 2})
	s := logic.NewSession([]*replica.View{left, right}, clock, 1)
	c := w.cycle("out")
	if _, _, err := w.sum(nil).Evaluate(t.Context(), s, c); err != nil {
		t.Fatal(err)
	}
	before, err := w.store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	unheld := w.sum(nil)
	unheld.Inputs = append(unheld.Inputs, "more")
	curious := w.sum(nil)
	curious.Run = func(_ context.Context, s *logic.Session, _ func(proto.Message) error) error {
		_, _ = s.View("more") // goes on as if it were empty
		return nil
	}
	for name, c2 := range map[string]struct {
		l    *logic.Logic
		want error
	}{
		"fails":               {w.sum(func(func(string, int64) error) error { return wrong }), wrong},
		"twice":               {w.sum(func(emit func(string, int64) error) error { return emit("a", 7) }), cycle.ErrDuplicateKey},
		"twice, equal":        {w.sum(func(emit func(string, int64) error) error { return emit("a", 1) }), cycle.ErrDuplicateKey},
		"twice, goes on":      {w.sum(func(emit func(string, int64) error) error { _ = emit("a", 1); return nil }), cycle.ErrDuplicateKey},
		"not held":            {w.sum(func(emit func(string, int64) error) error { return emit("x", -1<<63) }), state.ErrNotStorable},
		"not held, goes on":   {w.sum(func(emit func(string, int64) error) error { _ = emit("x", -1<<63); return nil }), state.ErrNotStorable},
		"input not there":     {unheld, logic.ErrNotInSession},
		"undeclared, goes on": {curious, logic.ErrNotInSession},
	} {
		if _, _, err := c2.l.Evaluate(t.Context(), s, c); !errors.Is(err, c2.want) {
			t.Errorf("%s: error %v, want %v", name, err, c2.want)
		}
		if _, err := c2.l.Compute(t.Context(), s); !errors.Is(err, c2.want) {
			t.Errorf("%s, computed: error %v, want %v", name, err, c2.want)
		}
	}
	panics := w.sum(func(func(string, int64) error) error { panic("boom") })
	if _, _, err := panics.Evaluate(t.Context(), s, c); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("panics: error %v", err)
	}
	now, err := w.store.List(t.Context(), "")
	if err != nil || len(now) != len(before) {
		t.Errorf("the store has %d keys, had %d; error %v", len(now), len(before), err)
	}
	if _, r, err := w.sum(nil).Evaluate(t.Context(), s, c); err != nil || r.Published {
		t.Errorf("the good logic again: %+v, error %v", r, err)
	}
}

// TestClock shows a logic the same clock when it runs live and when it runs
// again from the record: no zone, no monotonic reading.
func TestClock(t *testing.T) {
	w := newWorld(t)
	left, right := w.publish("left", map[string]int64{"a": 1}), w.publish("right", nil)
	l := w.sum(nil)
	var shown []string
	run := l.Run
	l.Run = func(ctx context.Context, s *logic.Session, emit func(proto.Message) error) error {
		shown = append(shown, fmt.Sprintf("%v %#v %v", s.Clock(), s.Clock(), s.Seed()))
		return run(ctx, s, emit)
	}
	live := logic.NewSession([]*replica.View{left, right}, time.Now().In(time.FixedZone("X", 3600)), 7)
	if _, _, err := l.Evaluate(t.Context(), live, w.cycle("out")); err != nil {
		t.Fatal(err)
	}
	all, err := logic.Evaluations(t.Context(), w.store, "out")
	if err != nil {
		t.Fatal(err)
	}
	s, err := logic.NewOpener(w.store).Session(t.Context(), all[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Compute(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if len(shown) != 2 || shown[0] != shown[1] {
		t.Errorf("live and again: %q", shown)
	}
}

func TestSessionFails(t *testing.T) {
	w := newWorld(t)
	left, right := w.publish("left", map[string]int64{"a": 1}), w.publish("right", map[string]int64{"b": 2})
	e, _, err := w.sum(nil).Evaluate(t.Context(), logic.NewSession([]*replica.View{left, right}, clock, 1), w.cycle("out"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(change func(*dataset.Input)) error {
		x := e
		x.Inputs = append([]dataset.Input(nil), e.Inputs...)
		change(&x.Inputs[1])
		_, err := logic.NewOpener(w.store).Session(t.Context(), x)
		return err
	}
	if err := open(func(*dataset.Input) {}); err != nil {
		t.Error(err)
	}
	if err := open(func(in *dataset.Input) { in.Checksum[0] ^= 1 }); !errors.Is(err, logic.ErrInputChanged) {
		t.Errorf("another checksum: error %v", err)
	}
	if err := open(func(in *dataset.Input) { in.Version++ }); !errors.Is(err, replica.ErrNoVersion) {
		t.Errorf("another version: error %v", err)
	}
	if err := open(func(in *dataset.Input) { in.Dataset = "lost" }); !errors.Is(err, replica.ErrEmpty) {
		t.Errorf("another dataset: error %v", err)
	}
}
