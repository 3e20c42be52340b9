//go:build java

package java

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/producer"
)

const itemProto = `syntax = "proto3";
package t;
import "holdfast/v1/options.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id", "part"]};
  int64 id = 1;
  string part = 2 [(holdfast.v1.field) = {inline: true}];
  optional int32 small = 3;
  double ratio = 4;
  float share = 5;
  bool flag = 6;
  bytes raw = 7;
  repeated string tags = 8;
  repeated int32 set = 9 [(holdfast.v1.field) = {set: true}];
  map<string, Price> prices = 10;
  map<int32, bool> flags = 11;
  Price base = 12;
  Color color = 13;
%s  enum Color { NONE = 0; RED = 1; }
}
message Price { int64 cents = 1; string currency = 2; }
`

// itemLines returns the records of version v of a made-up dataset: some stay,
// some change, some come and go.
func itemLines(v int) string {
	var b strings.Builder
	for i := range 300 {
		if (i+v)%7 == 0 {
			continue
		}
		n := i
		if i%5 == v%5 {
			n += 1000 * v
		}
		fmt.Fprintf(&b, `{"id":%d,"part":"p%d ü😀","small":%d,"ratio":%d.25,"share":-0.0,"flag":%t,"raw":"AA%02dAA==",`,
			i, i%3, n-500, n, i%2 == 0, i%100)
		fmt.Fprintf(&b, `"tags":["t%d","t%d"],"set":[%d,%d,7],"prices":{"a":{"cents":%d},"b":{"cents":-1,"currency":"EUR"}},`, i%10, n%4, i%9, n%11, n)
		fmt.Fprintf(&b, `"flags":{"%d":true,"-1":false},"base":{"cents":%d},"color":"RED"}`+"\n", n%50, i%8)
	}
	return b.String()
}

// publishItems publishes versions of the dataset, the last two with one more
// field, and returns the folder that Hollow reads.
func publishItems(t *testing.T, count int) (dir string, versions []dataset.Version) {
	t.Helper()
	root := t.TempDir()
	store, err := blob.CreateDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for v := range count {
		more := ""
		if v >= count-2 {
			more = "  optional string more = 14;\n"
		}
		file := filepath.Join(t.TempDir(), "item.proto")
		if err := os.WriteFile(file, fmt.Appendf(nil, itemProto, more), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := producer.DefaultConfig()
		if cfg.Mapping, err = protomap.Compile(t.Context(), file, nil); err != nil {
			t.Fatal(err)
		}
		cfg.Dataset, cfg.Store, cfg.Author = "items", store, announce.Author{Name: "test"}
		cfg.Files = []producer.File{{Name: "items", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(itemLines(v))), nil
		}}}
		r, err := producer.Publish(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, r.Version)
	}
	return filepath.Join(root, "items"), versions
}

// TestPublished lets a Java consumer walk what we published, there and back,
// with a new snapshot at the model change.
func TestPublished(t *testing.T) {
	peer := Start(t)
	dir, versions := publishItems(t, 6)
	there := slices.Concat(versions, reversed(versions)[1:])
	segments := [][]dataset.Version{there, versions[:4], reversed(versions[:4]), versions[4:], reversed(versions[4:])}
	for _, walk := range segments {
		var loaded []string
		for _, at := range peer.Consume(t, dir, walk...) {
			loaded = append(loaded, at.Loaded...)
			s := loadFolder(t, dir, loaded)
			if got := checksum(s); got != at.Checksum {
				t.Errorf("after %v the checksum is %s, in Java %s", loaded, got, at.Checksum)
			}
			if got := records(s); fmt.Sprint(got) != fmt.Sprint(at.Records) {
				t.Errorf("after %v the records are %v, in Java %v", loaded, got, at.Records)
			}
		}
	}
	for _, v := range versions { // each snapshot by itself
		at := peer.Consume(t, dir, v)[0]
		if got := checksum(loadFolder(t, dir, at.Loaded)); got != at.Checksum {
			t.Errorf("snapshot %s has checksum %s, in Java %s", v, got, at.Checksum)
		}
	}
}

// TestPublishedIsContinued lets a Java producer restore from what we published
// and publish the next version, which we follow from ours.
func TestPublishedIsContinued(t *testing.T) {
	peer := Start(t)
	dir, versions := publishItems(t, 4)
	next := peer.Continue(t, dir)
	last := versions[len(versions)-1]
	s := loadFolder(t, dir, []string{"snapshot-" + last.String(), fmt.Sprintf("delta-%s-%s", last, next.Version)})
	if got := checksum(s); got != next.Checksum {
		t.Errorf("after Java's delta the checksum is %s, in Java %s", got, next.Checksum)
	}
	if got := checksum(loadFolder(t, dir, []string{"snapshot-" + next.Version.String()})); got != next.Checksum {
		t.Errorf("Java's snapshot has checksum %s, in Java %s", got, next.Checksum)
	}
	back := loadFolder(t, dir, []string{"snapshot-" + next.Version.String(), fmt.Sprintf("reversedelta-%s-%s", next.Version, last)})
	if got, want := checksum(back), checksum(loadFolder(t, dir, []string{"snapshot-" + last.String()})); got != want {
		t.Errorf("Java's reverse delta leads to checksum %s, our snapshot has %s", got, want)
	}
}

// loadFolder reads a snapshot and applies the deltas after it.
func loadFolder(t *testing.T, dir string, names []string) *state.State {
	t.Helper()
	var s *state.State
	for i, name := range names {
		data := readFile(t, filepath.Join(dir, name))
		var err error
		if i == 0 || strings.HasPrefix(name, "snapshot-") {
			s, err = state.ReadSnapshot(data, state.ReadOptions{})
		} else {
			s, err = s.Apply(data)
		}
		if err != nil {
			t.Fatalf("load %s: %v", name, err)
		}
	}
	return s
}

func reversed(list []dataset.Version) []dataset.Version {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}
