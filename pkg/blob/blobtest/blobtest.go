// Package blobtest holds what every blob.Store must pass, and a Store that
// fails on demand.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Run runs the conformance tests on stores from newStore, each of which must
// be empty.
func Run(t *testing.T, newStore func(t *testing.T) blob.Store) {
	t.Run("PutGet", func(t *testing.T) { testPutGet(t, newStore(t)) })
	t.Run("Stream", func(t *testing.T) { testStream(t, newStore(t)) })
	t.Run("Missing", func(t *testing.T) { testMissing(t, newStore(t)) })
	t.Run("CreateOnly", func(t *testing.T) { testCreateOnly(t, newStore(t)) })
	t.Run("List", func(t *testing.T) { testList(t, newStore(t)) })
	t.Run("Delete", func(t *testing.T) { testDelete(t, newStore(t)) })
	t.Run("BadKey", func(t *testing.T) { testBadKey(t, newStore(t)) })
	t.Run("TooLarge", func(t *testing.T) { testTooLarge(t, newStore(t)) })
	t.Run("After", func(t *testing.T) { testAfter(t, newStore(t)) })
	t.Run("Cancelled", func(t *testing.T) { testCancelled(t, newStore(t)) })
	t.Run("Race", func(t *testing.T) {
		store := newStore(t)
		RunRace(t, func() blob.Store { return store })
	})
}

// RunRace lets many writers, each with its own open(), put the same keys:
// exactly one wins each. All of open's stores hold the same keys.
func RunRace(t *testing.T, open func() blob.Store) {
	const writers, rounds = 8, 20
	wins := make([][]int, rounds) // round → the writers that won
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			store := open()
			for r := range rounds {
				err := store.Put(t.Context(), raceKey(r), raceData(w, r))
				if err == nil {
					mu.Lock()
					wins[r] = append(wins[r], w)
					mu.Unlock()
				} else if !errors.Is(err, blob.ErrExists) {
					t.Errorf("writer %d: Put = %v, want ErrExists", w, err)
				}
			}
		})
	}
	wg.Wait()
	store := open()
	for r, winners := range wins {
		if len(winners) != 1 {
			t.Fatalf("round %d: winners %v, want exactly one", r, winners)
		}
		got, err := store.Get(t.Context(), raceKey(r))
		if want := raceData(winners[0], r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("round %d: Get = %.20q, %v; want the winner's %.20q", r, got, err, want)
		}
	}
}

func raceKey(round int) string { return fmt.Sprintf("race/log/%d", round) }

func raceData(writer, round int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("writer %d round %d;", writer, round)), 500)
}

func testPutGet(t *testing.T, store blob.Store) {
	ctx := t.Context()
	for i, want := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0, 255, '\n'}, 100_000)} {
		key := fmt.Sprintf("a/b%d/c", i)
		data := bytes.Clone(want)
		if err := store.Put(ctx, key, data); err != nil {
			t.Fatal(err)
		}
		if len(data) > 0 {
			data[0]++ // the store may not have kept it
		}
		got, err := store.Get(ctx, key)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Get(%s) = %d bytes, %v; want %d bytes", key, len(got), err, len(want))
		}
		if len(got) > 0 {
			got[0]++ // the caller's own
		}
		if again, err := store.Get(ctx, key); err != nil || !bytes.Equal(again, want) {
			t.Errorf("second Get(%s) = %d bytes, %v; want %d bytes", key, len(again), err, len(want))
		}
		info, err := store.Stat(ctx, key)
		if err != nil || info.Key != key || info.Size != int64(len(want)) || info.Modified.IsZero() {
			t.Errorf("Stat(%s) = %+v, %v; want size %d", key, info, err, len(want))
		}
	}
}

// testStream reads as Get does, whether the store offers it or not.
func testStream(t *testing.T, store blob.Store) {
	ctx := t.Context()
	read := func(key string, want blob.Ref) ([]byte, error) {
		r, err := blob.Stream(ctx, store, key, want)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	for i, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0, 255, '\n'}, 100_000)} {
		key, ref := fmt.Sprintf("a/b%d", i), blob.RefOf(data)
		if err := store.Put(ctx, key, data); err != nil {
			t.Fatal(err)
		}
		if got, err := read(key, ref); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Stream(%s) = %d bytes, %v; want %d bytes", key, len(got), err, len(data))
		}
		for _, wrong := range []blob.Ref{
			{Digest: dataset.DigestOf([]byte("others")), Size: ref.Size},
			{Digest: ref.Digest, Size: ref.Size + 1},
			{Digest: ref.Digest, Size: ref.Size - 1},
		} {
			if got, err := read(key, wrong); !errors.Is(err, blob.ErrDigest) {
				t.Errorf("Stream(%s) with %+v = %d bytes, %v; want ErrDigest", key, wrong, len(got), err)
			}
		}
	}
	if _, err := read("none", blob.Ref{}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Stream of nothing = %v, want ErrNotFound", err)
	}
}

func testMissing(t *testing.T, store blob.Store) {
	ctx := t.Context()
	if err := store.Put(ctx, "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"none", "a", "a/c", "a/b/c"} {
		if _, err := store.Get(ctx, key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Get(%s) = %v, want ErrNotFound", key, err)
		}
		if _, err := store.Stat(ctx, key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Stat(%s) = %v, want ErrNotFound", key, err)
		}
	}
}

func testCreateOnly(t *testing.T, store blob.Store) {
	ctx := t.Context()
	if err := store.Put(ctx, "k", []byte("first")); err != nil {
		t.Fatal(err)
	}
	for _, second := range []string{"first", "other"} {
		if err := store.Put(ctx, "k", []byte(second)); !errors.Is(err, blob.ErrExists) {
			t.Errorf("Put of %q over another = %v, want ErrExists", second, err)
		}
	}
	if got, err := store.Get(ctx, "k"); err != nil || string(got) != "first" {
		t.Errorf("Get = %q, %v; want the first bytes", got, err)
	}
}

func testList(t *testing.T, store blob.Store) {
	ctx := t.Context()
	all := []string{"a", "b/blobs/1-x", "b/blobs/2-x", "b/log/0", "b-c", "bb/log/0"}
	for _, key := range all {
		if err := store.Put(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(all)
	for prefix, want := range map[string][]string{
		"": all, "a": {"a"}, "a/": nil, "b/": {"b/blobs/1-x", "b/blobs/2-x", "b/log/0"},
		"b/blobs/1": {"b/blobs/1-x"}, "b/b": {"b/blobs/1-x", "b/blobs/2-x"}, "z/y/": nil,
		"b": all[1:],
	} {
		infos, err := store.List(ctx, prefix)
		if err != nil {
			t.Errorf("List(%q) = %v", prefix, err)
		}
		var got []string
		for _, info := range infos {
			got = append(got, info.Key)
			if info.Size != int64(len(info.Key)) || info.Modified.IsZero() {
				t.Errorf("List(%q): %+v, want size %d and a time", prefix, info, len(info.Key))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
}

func testDelete(t *testing.T, store blob.Store) {
	ctx := t.Context()
	if err := store.Put(ctx, "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.Delete(ctx, "a/b"); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	if _, err := store.Get(ctx, "a/b"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Get after Delete = %v, want ErrNotFound", err)
	}
}

func testBadKey(t *testing.T, store blob.Store) {
	ctx := t.Context()
	for _, key := range []string{"", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", ".hidden", "a/.tmp/x", "a\\b", "a\x00b", string(make([]byte, 2000))} {
		if err := store.Put(ctx, key, []byte("x")); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("Put(%.20q) = %v, want ErrBadKey", key, err)
		}
		if _, err := store.Get(ctx, key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("Get(%.20q) = %v, want ErrBadKey", key, err)
		}
		if _, err := store.Stat(ctx, key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("Stat(%.20q) = %v, want ErrBadKey", key, err)
		}
		if err := store.Delete(ctx, key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("Delete(%.20q) = %v, want ErrBadKey", key, err)
		}
	}
	if _, err := store.List(ctx, "../"); !errors.Is(err, blob.ErrBadKey) {
		t.Errorf("List(../) = %v, want ErrBadKey", err)
	}
}

func testTooLarge(t *testing.T, store blob.Store) {
	ctx, large := t.Context(), make([]byte, blob.MaxFile+1)
	for _, key := range []string{"n/log/0", "n/versions/1-x.json", "n/schemas/x"} {
		if err := store.Put(ctx, key, large); !errors.Is(err, blob.ErrTooLarge) || !errors.Is(err, blob.ErrNotWritten) {
			t.Errorf("Put(%s) of %d bytes = %v, want ErrTooLarge and ErrNotWritten", key, len(large), err)
		}
		if _, err := store.Stat(ctx, key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Stat(%s) = %v, want ErrNotFound", key, err)
		}
	}
	if err := store.Put(ctx, "n/blobs/1-x", large); err != nil {
		t.Fatal(err)
	}
	if b, err := store.Get(ctx, "n/blobs/1-x"); err != nil || len(b) != len(large) {
		t.Errorf("Get = %d bytes, %v", len(b), err)
	}
	if _, err := blob.Get(ctx, store, "n/blobs/1-x", blob.RefOf([]byte("x"))); !errors.Is(err, blob.ErrDigest) {
		t.Errorf("Get of another blob = %v, want ErrDigest", err)
	}
}

func testAfter(t *testing.T, store blob.Store) {
	ctx := t.Context()
	var all []string
	for pos := range int64(12) {
		all = append(all, blob.LogKey("n", pos))
	}
	for _, key := range append([]string{"m/log/x", "n/log0", "n/logs/x", "o/log/x"}, all...) {
		if err := store.Put(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		key  string
		want []string
	}{{"n/log/", all}, {all[0], all[1:]}, {all[9], all[10:]}, {all[11], nil}, {blob.LogKey("n", 99), nil}} {
		if got, err := blob.After(ctx, store, "n/log/", c.key); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("After(%s) = %q, %v; want %q", c.key, got, err, c.want)
		}
	}
	if got, err := blob.After(ctx, store, "none/log/", "none/log/"); err != nil || len(got) > 0 {
		t.Errorf("After in no folder = %q, %v", got, err)
	}
}

func testCancelled(t *testing.T, store blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Put(ctx, "k", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if _, err := store.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want context.Canceled", err)
	}
	if _, err := store.Stat(t.Context(), "k"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Stat = %v, want ErrNotFound: a cancelled Put wrote", err)
	}
}
