package cycle_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mapping(t testing.TB, text string) *protomap.Mapping {
	t.Helper()
	text = `syntax = "proto3"; import "holdfast/v1/options.proto"; ` + text
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

const plain = `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 3; }`

func config(store blob.Store, m *protomap.Mapping, every int) cycle.Config {
	return cycle.Config{
		Dataset: "n", Store: store, Mapping: m, Author: announce.Author{Name: "test"},
		SnapshotEvery: every, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
}

func open(ctx context.Context, t testing.TB, cfg cycle.Config) *cycle.Cycle {
	t.Helper()
	c, err := cycle.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines feeds a cycle with records as JSON.
func lines(m *protomap.Mapping, list ...string) func(protomap.Sink) error {
	return func(sink protomap.Sink) error {
		for _, line := range list {
			msg, err := m.ParseJSON([]byte(line))
			if err != nil {
				return err
			}
			if _, err := m.Add(sink, msg); err != nil {
				return err
			}
		}
		return nil
	}
}

func run(t testing.TB, c *cycle.Cycle, populate func(protomap.Sink) error) cycle.Result {
	t.Helper()
	r, err := c.Run(t.Context(), dataset.Lineage{Producer: "test"}, populate)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// content returns the records of a view as JSON, by key.
func content(t testing.TB, v *replica.View) map[string]string {
	t.Helper()
	out := map[string]string{}
	for o := range v.Root().Ordinals() {
		r := v.Root().Record(o)
		text, err := v.JSON(r)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint(v.Index.KeyOf(r))
		if _, twice := out[key]; twice {
			t.Errorf("version %s has key %s twice", v.Version(), key)
		}
		out[key] = string(text)
	}
	return out
}

// history returns every announced version.
func history(t testing.TB, store blob.Store) []replica.Point {
	t.Helper()
	f, err := announce.Open(store, "n").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	points, err := replica.NewCatalog(store, "n").History(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

func verify(t testing.TB, store blob.Store) {
	t.Helper()
	v, err := replica.Verify(t.Context(), store, "n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems {
		t.Errorf("verify: %s", p)
	}
}
