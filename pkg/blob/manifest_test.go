package blob_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func ref(s string) *blob.Ref {
	r := blob.RefOf([]byte(s))
	return &r
}

func sampleManifest() *blob.Manifest {
	return &blob.Manifest{
		Format: 1, Dataset: "usage", Version: 20260102150405001, Previous: 20260102150405000,
		PreviousManifest: dataset.DigestOf([]byte("before")), Segment: 20260102150405000,
		Snapshot: ref("s"), Delta: ref("d"), ReverseDelta: ref("r"), Header: ref("h"),
		Checksum: dataset.DigestOf([]byte("c")), Schema: dataset.DigestOf([]byte("p")), Fingerprint: dataset.DigestOf([]byte("f")),
		Records: map[string]int{"Usage": 3, "String": 7},
		Lineage: dataset.Lineage{Producer: "p1", Positions: map[string]string{"kafka": "17"}, Evaluation: &dataset.Evaluation{
			Logic: "l", Build: "b", Platform: "linux/amd64", Inputs: []dataset.Input{{Dataset: "a", Version: 1, Checksum: dataset.DigestOf(nil)}},
			Clock: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Seed: 1 << 63,
		}},
		Created: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
	}
}

func TestManifestRoundTrip(t *testing.T) {
	first := &blob.Manifest{Dataset: "usage", Version: 5, Segment: 5, Snapshot: ref("s"), Records: map[string]int{}}
	adopted := &blob.Manifest{Dataset: "usage", Version: 5, Segment: 5, Snapshot: ref("s"), Records: map[string]int{}, Root: "Usage", Key: []string{"id", "at.day"}}
	for _, want := range []*blob.Manifest{sampleManifest(), first, adopted} {
		b, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := blob.DecodeManifest(b)
		if err != nil {
			t.Fatal(err)
		}
		want.Format = 1
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decoded manifest differs (-want +got):\n%s", diff)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("encoded again: %v\n%s\nwant\n%s", err, again, b)
		}
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	b, err := sampleManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for _, c := range []struct {
		name, old, new string
		want           error
	}{
		{"newer format with new members", `"format": 1`, `"format": 2, "news": true`, blob.ErrFormat},
		{"no format", `"format": 1,`, ``, blob.ErrMalformed},
		{"unknown member", `"format": 1`, `"format": 1, "news": true`, blob.ErrMalformed},
		{"something behind", "}\n", "}\n{}", blob.ErrMalformed},
		{"a member twice", `"format": 1`, `"format": 1, "dataset": "other"`, blob.ErrMalformed},
		{"a member twice, inside", `"size": 1`, `"size": 2, "size": 1`, blob.ErrMalformed},
		{"a member in another case", `"dataset"`, `"Dataset"`, blob.ErrMalformed},
		{"cut short", "}\n", "", blob.ErrMalformed},
		{"version as a number", `"version": "20260102150405001"`, `"version": 20260102150405001`, blob.ErrMalformed},
		{"version not above previous", `"version": "20260102150405001"`, `"version": "20260102150405000"`, blob.ErrMalformed},
		{"dataset is a path", `"dataset": "usage"`, `"dataset": "../usage"`, blob.ErrMalformed},
		{"root beside a schema", `"records"`, `"root": "Usage", "records"`, blob.ErrMalformed},
		{"key beside a schema", `"records"`, `"key": ["id"], "records"`, blob.ErrMalformed},
		{"negative size", `"size": 1`, `"size": -1`, blob.ErrMalformed},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if strings.HasSuffix(c.old, "}\n") {
			bad = strings.TrimSuffix(good, c.old) + c.new
		}
		if bad == good {
			t.Fatalf("%s: nothing was replaced in %s", c.name, good)
		}
		if _, err := blob.DecodeManifest([]byte(bad)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestGetManifest(t *testing.T) {
	store, m := blob.NewMemory(), sampleManifest()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d := dataset.DigestOf(b)
	wrong := dataset.DigestOf([]byte("other"))
	for _, key := range []string{
		blob.ManifestKey(m.Dataset, m.Version, d), blob.ManifestKey(m.Dataset, m.Version, wrong),
		blob.ManifestKey(m.Dataset, m.Version+1, d), blob.ManifestKey("other", m.Version, d),
	} {
		if err := store.Put(t.Context(), key, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := blob.GetManifest(t.Context(), store, m.Dataset, m.Version, d); err != nil {
		t.Error(err)
	}
	if _, err := blob.GetManifest(t.Context(), store, m.Dataset, m.Version, wrong); !errors.Is(err, blob.ErrDigest) {
		t.Errorf("with another digest: %v, want ErrDigest", err)
	}
	if _, err := blob.GetManifest(t.Context(), store, m.Dataset, m.Version+1, d); !errors.Is(err, blob.ErrMalformed) {
		t.Errorf("of another version: %v, want ErrMalformed", err)
	}
	if _, err := blob.GetManifest(t.Context(), store, "other", m.Version, d); !errors.Is(err, blob.ErrMalformed) {
		t.Errorf("of another dataset: %v, want ErrMalformed", err)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	b, err := sampleManifest().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1}`))
	for _, more := range []string{`"version":"2"`, `"Version":"2"`, `"records":{"A":1,"A":2}`, `"lineage":{"producer":"a","\u0070roducer":"b"}`} {
		f.Add(append(bytes.TrimSuffix(b, []byte("\n}\n")), ",\n"+more+"}\n"...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m *blob.Manifest
		var err error
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}.Check(t, "manifest", len(b), func() { m, err = blob.DecodeManifest(b) })
		if err != nil {
			if !errors.Is(err, blob.ErrMalformed) && !errors.Is(err, blob.ErrFormat) {
				t.Errorf("error %v is neither ErrMalformed nor ErrFormat", err)
			}
			return
		}
		if _, err := m.Encode(); err != nil {
			t.Errorf("what decodes does not encode: %v", err)
		}
	})
}
