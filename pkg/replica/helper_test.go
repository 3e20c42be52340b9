package replica_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The schemas of dataset n: plain, with one field more, and with a field of
// another type.
const (
	plain   = `string id = 1; int32 v = 2;`
	wider   = `string id = 1; int32 v = 2; string note = 3;`
	retyped = `string id = 1; string v = 2;`
)

func mapping(t testing.TB, fields string) *protomap.Mapping {
	t.Helper()
	text := `syntax = "proto3"; import "holdfast/v1/options.proto";
		message N { option (holdfast.v1.dataset) = {key: ["id"]}; ` + fields + ` }`
	m, err := protomap.Compile(t.Context(), "n.proto", func(path string) ([]byte, error) {
		if path != "n.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// records is the content of a version: v by id.
type records map[string]int

// world is a producer of dataset n that remembers what it published.
type world struct {
	t      testing.TB
	store  blob.Store
	name   dataset.Name
	every  int
	fields string
	made   *dataset.Evaluation // what makes the next version, if a logic does

	mappings map[string]*protomap.Mapping // by fields
	versions []dataset.Version
	content  map[dataset.Version]records
}

func newWorld(t testing.TB, store blob.Store, every int) *world {
	return &world{t: t, store: store, name: "n", every: every, fields: plain, mappings: map[string]*protomap.Mapping{}, content: map[dataset.Version]records{}}
}

// publish makes the next version and returns it.
func (w *world) publish(r records) dataset.Version {
	w.t.Helper()
	if w.mappings[w.fields] == nil {
		w.mappings[w.fields] = mapping(w.t, w.fields)
	}
	m := w.mappings[w.fields]
	c, err := cycle.Open(w.t.Context(), cycle.Config{
		Dataset: w.name, Store: w.store, Mapping: m, Author: announce.Author{Name: "test"},
		SnapshotEvery: w.every, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := c.Run(w.t.Context(), dataset.Lineage{Producer: "test", Evaluation: w.made}, func(sink protomap.Sink) error {
		for id, v := range r {
			line := fmt.Sprintf(`{"id":%q,"v":%d}`, id, v)
			if w.fields == retyped {
				line = fmt.Sprintf(`{"id":%q,"v":"%d"}`, id, v)
			}
			msg, err := m.ParseJSON([]byte(line))
			if err != nil {
				return err
			}
			if _, err := m.Add(sink, msg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if result.Published {
		w.versions = append(w.versions, result.Version)
		w.content[result.Version] = maps.Clone(r)
	}
	return result.Version
}

// grow publishes n versions, each with one record more and one changed.
func (w *world) grow(n int) {
	w.t.Helper()
	for range n {
		r := records{"count": len(w.versions)}
		for i := range len(w.versions) {
			r[fmt.Sprint("id", i)] = i
		}
		w.publish(r)
	}
}

func (w *world) last() dataset.Version { return w.versions[len(w.versions)-1] }

// check compares a view with what was published.
func (w *world) check(v *replica.View) {
	w.t.Helper()
	if err := same(v, w.content[v.Version()]); err != nil {
		w.t.Errorf("version %s: %v", v.Version(), err)
	}
}

// same compares every record of a view, by iteration and by key.
func same(v *replica.View, want records) error {
	if want == nil {
		return fmt.Errorf("it was never published")
	}
	if v.Root().Len() != len(want) {
		return fmt.Errorf("%d records, want %d", v.Root().Len(), len(want))
	}
	for id, n := range want {
		key, err := v.Mapping.Key([]string{id})
		if err != nil {
			return err
		}
		r, ok := v.Index.Record(key...)
		if !ok {
			return fmt.Errorf("record %s is missing", id)
		}
		text, err := v.JSON(r)
		if err != nil {
			return err
		}
		var got struct {
			ID string
			V  json.RawMessage
		}
		if err := json.Unmarshal(text, &got); err != nil {
			return err
		}
		if plain, quoted := fmt.Sprint(n), fmt.Sprintf("%q", fmt.Sprint(n)); got.ID != id || string(got.V) != plain && string(got.V) != quoted {
			return fmt.Errorf("record %s is %s, want v %d", id, text, n)
		}
	}
	sum, err := v.State.Checksum()
	if err == nil && sum != v.Manifest.Checksum {
		err = fmt.Errorf("content checksum is %s, the manifest says %s", sum, v.Manifest.Checksum)
	}
	return err
}

// open returns a replica of n on store that has not looked yet.
func open(store blob.Store, change func(*replica.Config)) *replica.Replica {
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Logger = "n", store, slog.New(slog.DiscardHandler)
	if change != nil {
		change(&cfg)
	}
	return replica.Open(cfg)
}

// refresh moves r to the effective version, which must be want.
func refresh(t testing.TB, r *replica.Replica, want dataset.Version) *replica.View {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Current().Version(); got != want {
		t.Fatalf("at version %s, want %s", got, want)
	}
	return r.Current()
}

func pin(ctx context.Context, t testing.TB, store blob.Store, v dataset.Version) {
	t.Helper()
	var err error
	if log := announce.Open(store, "n"); v == dataset.None {
		_, err = log.Unpin(ctx, announce.Author{Name: "test"})
	} else {
		_, err = log.Pin(ctx, announce.Author{Name: "test"}, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// encoded returns a snapshot of a version.
func encoded(t testing.TB, r *replica.Replica, v dataset.Version) []byte {
	t.Helper()
	view, err := r.At(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (state.Transition{Next: view.State}).WriteSnapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
