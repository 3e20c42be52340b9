package announce_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newDir(t *testing.T) *blob.Dir {
	t.Helper()
	dir, err := blob.CreateDir(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// publish announces versions, each with a manifest and blobs, and returns
// their manifests. The first one has a snapshot.
func publish(t *testing.T, store blob.Store, versions int) []*blob.Manifest {
	t.Helper()
	ctx, log := t.Context(), announce.Open(store, usage)
	var out []*blob.Manifest
	for range versions {
		f, err := log.Refresh(ctx)
		if err != nil {
			t.Fatal(err)
		}
		m := &blob.Manifest{Dataset: usage, Version: f.Head + 10, Previous: f.Head, PreviousManifest: f.Manifest, Segment: 10}
		put := func(what string) *blob.Ref {
			data := fmt.Appendf(nil, "%s of %s", what, m.Version)
			ref := blob.RefOf(data)
			if err := store.Put(ctx, blob.BlobKey(usage, m.Version, ref.Digest), data); err != nil {
				t.Fatal(err)
			}
			return &ref
		}
		m.Header = put("header")
		if f.Head == dataset.None {
			m.Snapshot = put("snapshot")
		} else {
			m.Delta, m.ReverseDelta = put("delta"), put("reverse delta")
		}
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d := dataset.DigestOf(data)
		if err := store.Put(ctx, blob.ManifestKey(usage, m.Version, d), data); err != nil {
			t.Fatal(err)
		}
		if _, err := log.Announce(ctx, who, announce.AnnouncementOf(m, d)); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// project projects the newest fold.
func project(t *testing.T, dir *blob.Dir) announce.Fold {
	t.Helper()
	fold, err := announce.Open(dir, usage).Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := announce.Project(t.Context(), dir, usage, fold); err != nil {
		t.Fatal(err)
	}
	return fold
}

// javaNames returns what Java sees: file name → content.
func javaNames(t *testing.T, dir *blob.Dir) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir.Path(string(usage)))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		if e.IsDir() || e.Name()[0] == '.' {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir.Path(string(usage)), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

// wantNames returns the names of versions made by publish, of which the first
// is 10.
func wantNames(effective int, versions ...int) map[string]string {
	out := map[string]string{"announced.version": fmt.Sprint(effective)}
	for _, v := range versions {
		out[fmt.Sprintf("header-%d", v)] = fmt.Sprintf("header of %d", v)
		if v == 10 {
			out["snapshot-10"] = "snapshot of 10"
			continue
		}
		out[fmt.Sprintf("delta-%d-%d", v-10, v)] = fmt.Sprintf("delta of %d", v)
		out[fmt.Sprintf("reversedelta-%d-%d", v, v-10)] = fmt.Sprintf("reverse delta of %d", v)
	}
	return out
}

func wantSame(t *testing.T, what string, dir *blob.Dir, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, javaNames(t, dir)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestProject(t *testing.T) {
	dir := newDir(t)
	fold, err := announce.Open(dir, usage).Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := announce.Project(t.Context(), dir, usage, fold); err != nil {
		t.Errorf("of an empty log: %v", err)
	}
	publish(t, dir, 3)
	project(t, dir)
	wantSame(t, "three versions", dir, wantNames(30, 10, 20, 30))
	publish(t, dir, 1)
	if err := announce.Project(t.Context(), dir, usage, fold); err != nil { // a fold long ago
		t.Fatal(err)
	}
	wantSame(t, "one more, from an old fold", dir, wantNames(40, 10, 20, 30, 40))
	if _, err := announce.Open(dir, usage).Pin(t.Context(), who, 20); err != nil {
		t.Fatal(err)
	}
	project(t, dir)
	wantSame(t, "pinned", dir, wantNames(20, 10, 20, 30, 40))
	infos, err := dir.List(t.Context(), "usage/delta-")
	if err != nil || len(infos) != 3 {
		t.Errorf("%d deltas, %v; want 3", len(infos), err)
	}
}

func TestProjectRepairs(t *testing.T) {
	dir := newDir(t)
	publish(t, dir, 4)
	project(t, dir)
	folder := dir.Path(string(usage))
	// A copied store has other files under the names, and names of a lost
	// future.
	for _, name := range []string{"delta-20-30", "header-40", "snapshot-10", "announced.version", "reversedelta-40-30"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"header-40", "snapshot-50", "delta-40-50", "delta-30-50", "delta-10-30", "reversedelta-50-40", "header-50"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("junk"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".projected", "delta-10-20", "header-20", "reversedelta-20-10", "header-10", "header-30", "reversedelta-30-20"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	keep := []string{"snapshot-x", "delta-1", "notes.txt"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	project(t, dir)
	want := wantNames(40, 10, 20, 30, 40)
	for _, name := range keep {
		want[name] = "mine"
	}
	wantSame(t, "repaired", dir, want)
}

func TestProjectLateSnapshotAndPrune(t *testing.T) {
	dir := newDir(t)
	chain := publish(t, dir, 4)
	project(t, dir)
	ctx, log := t.Context(), announce.Open(dir, usage)
	late := []byte("snapshot of 30")
	if err := dir.Put(ctx, blob.BlobKey(usage, 30, dataset.DigestOf(late)), late); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Snapshot(ctx, who, announce.Snapshot{Version: 30, Manifest: chain[3].PreviousManifest, Blob: blob.RefOf(late)}); err != nil {
		t.Fatal(err)
	}
	project(t, dir)
	want := wantNames(40, 10, 20, 30, 40)
	want["snapshot-30"] = string(late)
	wantSame(t, "late snapshot", dir, want)

	// Everything of 10 and 20 goes.
	prune := announce.Prune{Horizon: 30}
	for _, folder := range []string{"blobs/", "versions/"} {
		infos, err := dir.List(ctx, "usage/"+folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			key := strings.TrimPrefix(info.Key, "usage/")
			if strings.HasPrefix(key, folder+"10-") || strings.HasPrefix(key, folder+"20-") {
				prune.Keys = append(prune.Keys, key)
			}
		}
	}
	if _, err := log.Prune(ctx, who, prune); err != nil {
		t.Fatal(err)
	}
	for _, key := range prune.Keys {
		if err := dir.Delete(ctx, "usage/"+key); err != nil {
			t.Fatal(err)
		}
	}
	project(t, dir)
	want = wantNames(40, 30, 40)
	want["snapshot-30"] = string(late)
	wantSame(t, "pruned", dir, want)

	// Made again from nothing but the log.
	for name := range want {
		if err := os.Remove(filepath.Join(dir.Path(string(usage)), name)); err != nil {
			t.Fatal(err)
		}
	}
	project(t, dir)
	wantSame(t, "rebuilt", dir, want)
}

// announced.version is replaced only when it changes, and its time grows in
// Java's milliseconds even if it lies in the future.
func TestProjectTime(t *testing.T) {
	dir := newDir(t)
	path := dir.Path("usage/announced.version")
	stat := func() time.Time {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	publish(t, dir, 1)
	project(t, dir)
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	before := stat()
	project(t, dir)
	if !stat().Equal(before) {
		t.Error("the file was written though nothing changed")
	}
	for range 3 {
		publish(t, dir, 1)
		project(t, dir)
		if now := stat(); now.UnixMilli() <= before.UnixMilli() {
			t.Errorf("time %v is not after %v", now, before)
		}
		before = stat()
	}
}

func TestProjectForeign(t *testing.T) {
	dir := newDir(t)
	publish(t, dir, 1)
	if err := os.WriteFile(dir.Path("usage/announced.version"), []byte("99"), 0o644); err != nil {
		t.Fatal(err)
	}
	fold, err := announce.Open(dir, usage).Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := announce.Project(t.Context(), dir, usage, fold); !errors.Is(err, announce.ErrForeign) {
		t.Errorf("Project = %v, want ErrForeign", err)
	}
	wantSame(t, "left alone", dir, map[string]string{"announced.version": "99"})
}

// Writers that project each fold they know of, in any order, end with the
// names of the newest.
func TestProjectRace(t *testing.T) {
	dir := newDir(t)
	folds := []announce.Fold{announce.Empty()}
	for range 4 {
		publish(t, dir, 1)
		fold, err := announce.Open(dir, usage).Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		folds = append(folds, fold)
	}
	var wg sync.WaitGroup
	for _, fold := range slices.Backward(folds) {
		wg.Go(func() {
			if err := announce.Project(t.Context(), dir, usage, fold); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantSame(t, "after the race", dir, wantNames(40, 10, 20, 30, 40))
	if temps, err := os.ReadDir(filepath.Join(dir.Root(), ".holdfast-tmp")); err != nil || len(temps) != 0 {
		t.Errorf("temporary files %v, %v; want none", temps, err)
	}
}

// A log that went back is no other producer: its names are made again, and
// those that lost their file in the middle of the chain, too.
func TestProjectAfterRestore(t *testing.T) {
	dir := newDir(t)
	publish(t, dir, 4)
	project(t, dir)
	if err := dir.Delete(t.Context(), blob.LogKey(usage, 3)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir.Path("usage/delta-10-20")); err != nil {
		t.Fatal(err)
	}
	fold, err := announce.Open(dir, usage).Refresh(t.Context())
	if err == nil {
		err = announce.CheckForeign(t.Context(), dir, usage, fold)
	}
	if err != nil {
		t.Fatal(err)
	}
	project(t, dir)
	wantSame(t, "restored", dir, wantNames(30, 10, 20, 30))
	if err := os.WriteFile(dir.Path("usage/announced.version"), []byte("99"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := announce.CheckForeign(t.Context(), dir, usage, fold); !errors.Is(err, announce.ErrForeign) {
		t.Errorf("CheckForeign = %v, want ErrForeign", err)
	}
}
