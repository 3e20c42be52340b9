package announce_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Few values, so that entries meet.
var (
	versions = rapid.Custom(func(t *rapid.T) dataset.Version { return dataset.Version(rapid.IntRange(0, 8).Draw(t, "version")) })
	digests  = rapid.Custom(func(t *rapid.T) dataset.Digest {
		n := rapid.IntRange(0, 2).Draw(t, "digest")
		if n == 0 {
			return dataset.Digest{}
		}
		return dataset.DigestOf([]byte{byte(n)})
	})
	positions = rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2"}), 0, 2)
	refs      = rapid.Custom(func(t *rapid.T) blob.Ref { return blob.Ref{Digest: digests.Draw(t, "blob"), Size: 1} })
)

// bodies draws bodies on fold f, sometimes right and sometimes not.
func bodies(f announce.Fold) *rapid.Generator[announce.Body] {
	return rapid.Custom(func(t *rapid.T) announce.Body {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return announce.Claim{Holder: rapid.SampledFrom([]string{"", "p", "q"}).Draw(t, "holder"), Released: rapid.Bool().Draw(t, "released")}
		case 1:
			return announce.Snapshot{Version: versions.Draw(t, "of"), Manifest: digests.Draw(t, "manifest"), Blob: refs.Draw(t, "ref")}
		case 2:
			return announce.Evaluated{Evaluation: dataset.Evaluation{Output: versions.Draw(t, "output")}}
		case 3:
			return announce.Pin{Version: versions.Draw(t, "pin"), Manifest: digests.Draw(t, "manifest")}
		case 4:
			return announce.Pin{}
		case 5:
			return announce.Prune{Horizon: versions.Draw(t, "horizon")}
		case 6:
			return announce.Advance{Positions: positions.Draw(t, "positions")}
		case 7:
			return announce.Announcement{Version: versions.Draw(t, "version"), Previous: versions.Draw(t, "previous"), Manifest: digests.Draw(t, "manifest")}
		}
		a := announce.Announcement{Version: f.Head + 1, Previous: f.Head, Manifest: dataset.DigestOf([]byte{1}), Positions: positions.Draw(t, "positions")}
		if rapid.Bool().Draw(t, "with snapshot") {
			r := blob.RefOf([]byte{1})
			a.Snapshot = &r
		}
		return a
	})
}

// kindOf names the kind of each body.
func kindOf(b announce.Body) announce.Kind {
	switch b.(type) {
	case announce.Claim:
		return announce.KindClaim
	case announce.Announcement:
		return announce.KindAnnounce
	case announce.Snapshot:
		return announce.KindSnapshot
	case announce.Evaluated:
		return announce.KindEvaluated
	case announce.Pin:
		return announce.KindPin
	case announce.Prune:
		return announce.KindPrune
	}
	return announce.KindAdvance
}

func TestFoldAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fold, model := announce.Empty(), &announcetest.Model{}
		link := dataset.Digest{}
		for range rapid.IntRange(1, 40).Draw(t, "entries") {
			body := bodies(fold).Draw(t, "body")
			e := announce.Entry{Kind: kindOf(body), ID: "id", Link: link, Author: announce.Author{Name: "n", Why: "w"}, When: time.Unix(1, 0).UTC(), Body: body, Fold: fold}
			e.Epoch = rapid.SampledFrom([]int64{fold.Epoch, fold.Epoch, fold.Position + 1, fold.Epoch - 1}).Draw(t, "epoch")
			data, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			read, err := announce.DecodeEntry(data)
			if err != nil {
				t.Fatalf("decode %s: %v", data, err)
			}
			if again, err := read.Encode(); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("encoded again: %s, %v; want %s", again, err, data)
			}
			before := fmt.Sprintf("%+v", fold)
			next, valid := fold.Apply(read)
			if now := fmt.Sprintf("%+v", fold); now != before {
				t.Fatalf("Apply changed its fold: %s, was %s", now, before)
			}
			if want := model.Add(read); valid != want {
				t.Fatalf("%s on %+v: valid %v, the model says %v", data, fold, valid, want)
			}
			if diff := cmp.Diff(model.Fold(), next); diff != "" {
				t.Fatalf("after %s (-model +fold):\n%s", data, diff)
			}
			fold, link = next, dataset.DigestOf(data)
		}
	})
}

func TestEffective(t *testing.T) {
	one, two := dataset.DigestOf([]byte{1}), dataset.DigestOf([]byte{2})
	f := announce.Fold{Head: 2, Manifest: two}
	if v, d := f.Effective(); v != 2 || d != two {
		t.Errorf("Effective without a pin = %s, %s", v, d)
	}
	f.Pin = &announce.Pin{Version: 1, Manifest: one}
	if v, d := f.Effective(); v != 1 || d != one {
		t.Errorf("Effective with a pin = %s, %s", v, d)
	}
}

func TestPruneKeys(t *testing.T) {
	d := dataset.DigestOf(nil).String()
	f := announce.Fold{Position: 3, Epoch: -1, Head: 9, Manifest: dataset.DigestOf(nil)}
	for key, want := range map[string]bool{
		"blobs/4-" + d: true, "versions/4-" + d + ".json": true,
		"blobs/5-" + d: false, "versions/4-" + d: false, "blobs/4-" + d + ".json": false, "blobs/4": false,
		"log/00000000000000000001.json": false, "schemas/" + d: false, "../usage/blobs/4-" + d: false, "blobs/x/4-" + d: false, "": false,
	} {
		e := announce.Entry{Kind: announce.KindPrune, Epoch: -1, Body: announce.Prune{Horizon: 5, Keys: []string{key}}, Fold: f}
		if _, got := f.Apply(e); got != want {
			t.Errorf("prune of %q at horizon 5: valid %v, want %v", key, got, want)
		}
	}
}

func TestDecodeEntryRefuses(t *testing.T) {
	const head = `{"format":1,"id":"x","epoch":-1,"who":"w","when":"2026-01-02T03:04:05Z",`
	const fold = `"fold":{"position":-1,"epoch":-1}}`
	if _, err := announce.DecodeEntry([]byte(head + `"kind":"pin","body":{},` + fold)); err != nil {
		t.Fatal(err)
	}
	for bad, want := range map[string]error{
		`{"format":2}`: blob.ErrFormat,
		head + `"kind":"pin","body":{"x":1},` + fold:                                            blob.ErrMalformed,
		head + `"kind":"pin","body":{},"x":1,` + fold:                                           blob.ErrMalformed,
		head + `"kind":"other","body":{},` + fold:                                               blob.ErrMalformed,
		head + `"kind":"pin",` + fold:                                                           blob.ErrMalformed,
		head + `"kind":"pin","body":{},"fold":{"position":-2,"epoch":-1}}`:                      blob.ErrMalformed,
		head + `"kind":"pin","body":{},"fold":{"position":3,"epoch":-1}}`:                       blob.ErrMalformed,
		head + `"kind":"pin","body":{},"link":"` + dataset.DigestOf(nil).String() + `",` + fold: blob.ErrMalformed,
		head + `"kind":"pin","body":{},"kind":"prune",` + fold:                                  blob.ErrMalformed,
		head + `"kind":"pin","body":{},"Why":"x",` + fold:                                       blob.ErrMalformed,
		head + `"kind":"pin","body":{"version":"1","version":"2"},` + fold:                      blob.ErrMalformed,
		head + `"kind":"pin","body":{"Version":"1"},` + fold:                                    blob.ErrMalformed,
		`null`: blob.ErrMalformed,
		``:     blob.ErrMalformed,
	} {
		if _, err := announce.DecodeEntry([]byte(bad)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", bad, err, want)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for _, more := range []string{`"kind":"prune"`, `"KIND":"pin"`, `"why":"\u0000","why":""`} {
		f.Add([]byte(`{"format":1,"id":"x","kind":"pin","body":{},"epoch":-1,"who":"w",` + more + `,"when":"2026-01-02T03:04:05Z","fold":{"position":-1,"epoch":-1}}`))
	}
	f.Add([]byte(`{"format":1,"id":"x","kind":"pin","body":{},"epoch":-1,"who":"w","when":"2026-01-02T03:04:05Z","fold":{"position":-1,"epoch":-1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e announce.Entry
		var err error
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}.Check(t, "entry", len(b), func() { e, err = announce.DecodeEntry(b) })
		if err != nil {
			if !errors.Is(err, blob.ErrMalformed) && !errors.Is(err, blob.ErrFormat) {
				t.Errorf("error %v is neither ErrMalformed nor ErrFormat", err)
			}
			return
		}
		e.Fold.Apply(e)
	})
}

func TestTableLaws(t *testing.T) {
	hints := rapid.Custom(func(t *rapid.T) announce.Table {
		out := announce.Table{}
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			out.Add(announce.Hint{
				Dataset:  rapid.SampledFrom([]dataset.Name{"a", "b", "c"}).Draw(t, "dataset"),
				Position: rapid.Int64Range(0, 3).Draw(t, "position"), Version: versions.Draw(t, "version"),
			})
		}
		return out
	})
	merge := func(tables ...announce.Table) announce.Table {
		out := announce.Table{}
		for _, table := range tables {
			out.Merge(table)
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := hints.Draw(t, "a"), hints.Draw(t, "b"), hints.Draw(t, "c")
		if !maps.Equal(merge(a, a), a) {
			t.Fatal("merging is not idempotent")
		}
		if !maps.Equal(merge(a, b), merge(b, a)) {
			t.Fatal("merging is not commutative")
		}
		if !maps.Equal(merge(merge(a, b), c), merge(a, merge(b, c))) {
			t.Fatal("merging is not associative")
		}
		read := announce.Table{}
		for wire := a.Append(nil); len(wire) > 0; {
			h, rest, err := announce.DecodeHint(wire)
			if err != nil {
				t.Fatal(err)
			}
			read.Add(h)
			wire = rest
		}
		if !maps.Equal(read, a) {
			t.Fatalf("read %v, want %v", read, a)
		}
	})
}

func FuzzDecodeHint(f *testing.F) {
	f.Add(announce.Hint{Dataset: "usage", Position: 17, Version: 20260102150405000}.Append(nil))
	f.Add(slices.Repeat([]byte{255}, 90))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h announce.Hint
		var rest []byte
		var err error
		fuzzing.Limit{Fixed: 64 << 10, PerByte: 100}.Check(t, "hint", len(b), func() { h, rest, err = announce.DecodeHint(b) })
		if err != nil {
			if !errors.Is(err, announce.ErrBadHint) {
				t.Errorf("%v, want ErrBadHint", err)
			}
			return
		}
		if len(rest) >= len(b) || h.Position < 0 || h.Version < 0 {
			t.Errorf("%+v with %d of %d bytes left", h, len(rest), len(b))
		}
		if again := h.Append(nil); len(again) >= 100 {
			t.Errorf("%d bytes, want less than 100", len(again))
		}
	})
}
