// Package docs_test holds the documents to the code: examples are written
// again and decoded, links lead somewhere, and what is named exists.
package docs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

var update = flag.Bool("update", false, "write the examples of the format pages anew")

// page returns a document, relative to this folder.
func page(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block returns the fenced block of path that is marked with info. With
// -update it is replaced by want first.
func block(t *testing.T, path, info, want string) string {
	t.Helper()
	text := page(t, path)
	open := "```" + info + "\n"
	before, rest, ok := strings.Cut(text, open)
	body, after, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("%s has no block %q", path, info)
	}
	if *update && body != want {
		body = want
		if err := os.WriteFile(path, []byte(before+open+body+"```"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

const (
	first  = dataset.Version(20260102150405000)
	second = dataset.Version(20260102150406000)
)

func named(s string) dataset.Digest { return dataset.DigestOf([]byte(s)) }

func refOf(s string, size int64) *blob.Ref { return &blob.Ref{Digest: named(s), Size: size} }

func evaluation() dataset.Evaluation {
	return dataset.Evaluation{
		Logic: "availability", Build: "availability-1.4.0", Platform: "linux/amd64",
		Inputs: []dataset.Input{
			{Dataset: "rights", Version: 20260102150401000, Checksum: named("rights")},
			{Dataset: "titles", Version: 20260102150404000, Checksum: named("titles")},
		},
		Clock: time.Date(2026, 1, 2, 15, 4, 5, 250e6, time.UTC), Seed: 0x1f2e3d4c5b6a7988,
	}
}

func exampleManifest() *blob.Manifest {
	e := evaluation()
	return &blob.Manifest{
		Format: 1, Dataset: "availability", Version: second, Previous: first,
		PreviousManifest: named("manifest 1"), Segment: first,
		Snapshot: refOf("snapshot 2", 7359685), Delta: refOf("delta 2", 18240),
		ReverseDelta: refOf("reverse delta 2", 17911), Header: refOf("header 2", 512),
		Checksum: named("content 2"), Schema: named("schema"), Fingerprint: named("fingerprint"),
		Records: map[string]int{"Availability": 132960, "String": 794},
		Lineage: dataset.Lineage{Producer: "availability", Evaluation: &e},
		Created: time.Date(2026, 1, 2, 15, 4, 6, 31e6, time.UTC),
	}
}

func TestManifestExample(t *testing.T) {
	b, err := exampleManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got := block(t, "format/manifest.md", "json manifest", string(b))
	if diff := cmp.Diff(string(b), got); diff != "" {
		t.Errorf("the page's example is not what is written (-want +got), -update renews it:\n%s", diff)
	}
	m, err := blob.DecodeManifest([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleManifest(), m); diff != "" {
		t.Errorf("the page's example decodes to something else (-want +got):\n%s", diff)
	}
}

// exampleLog returns the entries of the page's log, in order. The last one is
// void.
func exampleLog(t *testing.T) []announce.Entry {
	t.Helper()
	m := exampleManifest()
	producer, operator := announce.Author{Name: "catalog"}, announce.Author{Name: "ada@ops1", Why: "prices are wrong"}
	out := evaluation()
	out.Output = second
	var entries []announce.Entry
	fold, link := announce.Empty(), dataset.Digest{}
	add := func(kind announce.Kind, who announce.Author, epoch int64, body announce.Body) {
		n := len(entries)
		e := announce.Entry{
			Kind: kind, ID: fmt.Sprintf("%032x", 0xa0+n), Link: link, Epoch: epoch, Author: who,
			When: time.Date(2026, 1, 2, 15, 4, 5+n, 0, time.UTC), Body: body, Fold: fold,
		}
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
		fold, _ = fold.Apply(e)
		link = dataset.DigestOf(b)
	}
	add(announce.KindClaim, producer, 0, announce.Claim{Holder: "catalog"})
	add(announce.KindAnnounce, producer, 0, announce.Announcement{
		Version: first, Manifest: m.PreviousManifest, Snapshot: refOf("snapshot 1", 7359001), Positions: map[string]string{"orders": "17"},
	})
	add(announce.KindAnnounce, producer, 0, announce.Announcement{Version: second, Previous: first, Manifest: named("manifest 2")})
	add(announce.KindEvaluated, producer, 0, announce.Evaluated{Evaluation: out})
	add(announce.KindPin, operator, 0, announce.Pin{Version: first, Manifest: m.PreviousManifest})
	add(announce.KindAnnounce, announce.Author{Name: "late"}, -1, announce.Announcement{Version: second + 1, Previous: second, Manifest: named("late")})
	return entries
}

// indented returns entries as the page shows them: indented, one empty line
// between two.
func indented(t *testing.T, entries []announce.Entry) string {
	t.Helper()
	var out bytes.Buffer
	for i, e := range entries {
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			out.WriteString("\n")
		}
		if err := json.Indent(&out, b, "", " "); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestLogExample(t *testing.T) {
	entries := exampleLog(t)
	want := indented(t, entries)
	got := block(t, "format/log.md", "json log", want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the page's example is not what is written (-want +got), -update renews it:\n%s", diff)
	}
	fold, link := announce.Empty(), dataset.Digest{}
	for i, text := range strings.Split(got, "\n\n") {
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(text)); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n") // what a store holds
		e, err := announce.DecodeEntry(b.Bytes())
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if e.Link != link || !reflect.DeepEqual(e.Fold, fold) {
			t.Errorf("entry %d has link %s and fold %+v, want %s and %+v", i, e.Link, e.Fold, link, fold)
		}
		next, valid := fold.Apply(e)
		if want := i < len(entries)-1; valid != want {
			t.Errorf("entry %d counts: %v, want %v", i, valid, want)
		}
		fold, link = next, dataset.DigestOf(b.Bytes())
	}
	if v, _ := fold.Effective(); v != first || fold.Head != second || fold.Position != int64(len(entries))-1 {
		t.Errorf("the example ends with head %s, effective %s, position %d", fold.Head, v, fold.Position)
	}
}

// TestMembersAreDescribed holds the tables of the format pages to the structs:
// each JSON member has a row.
func TestMembersAreDescribed(t *testing.T) {
	for _, c := range []struct {
		path   string
		values []any
	}{
		{"format/manifest.md", []any{blob.Manifest{}, blob.Ref{}, dataset.Lineage{}, dataset.Evaluation{}, dataset.Input{}}},
		{"format/log.md", []any{
			announce.Claim{}, announce.Announcement{}, announce.Snapshot{}, announce.Evaluated{}, announce.Pin{},
			announce.Prune{}, announce.Advance{}, announce.Fold{},
		}},
	} {
		rows := map[string]bool{}
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(page(t, c.path), -1) {
			rows[row[1]] = true
		}
		for _, v := range c.values {
			x := reflect.TypeOf(v)
			for i := range x.NumField() {
				name, _, _ := strings.Cut(x.Field(i).Tag.Get("json"), ",")
				if !rows[name] {
					t.Errorf("%s has no row for member %q of %s", c.path, name, x)
				}
			}
		}
	}
	rows := page(t, "format/log.md")
	b, err := exampleLog(t)[4].Encode()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if !strings.Contains(rows, "\n| `"+name+"` |") {
			t.Errorf("format/log.md has no row for member %q of an entry", name)
		}
	}
}
