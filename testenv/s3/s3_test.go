package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "holdfast-s3-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = Build(context.Background(), dir); err == nil {
		holdfast, err = buildHoldfast(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(c int) { code = c }))
	return code
}

// binary and holdfast are the programs under test.
var binary, holdfast string

// create returns an empty store of its own in a server's bucket.
func create(t *testing.T, s *Server) blob.Store {
	t.Helper()
	store, err := cloud.Create(t.Context(), s.URL(prefix(t), s.Address()))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// prefix returns a new prefix.
func prefix(t *testing.T) string {
	return fmt.Sprintf("%s/%d", strings.ReplaceAll(t.Name(), "/", "-"), prefixes.Add(1))
}

var prefixes atomic.Int64

func TestConformance(t *testing.T) {
	s := Start(t, binary)
	blobtest.Run(t, func(t *testing.T) blob.Store { return create(t, s) })
}

// TestRaces has writers with a client each race for keys, and for the log.
func TestRaces(t *testing.T) {
	s := Start(t, binary)
	for name, race := range map[string]func(t *testing.T, store blob.Store, open func() blob.Store){
		"keys": func(t *testing.T, _ blob.Store, open func() blob.Store) { blobtest.RunRace(t, open) },
		"log": func(t *testing.T, store blob.Store, open func() blob.Store) {
			announcetest.RunRace(t, announcetest.Race{Writers: 4, Each: 10, Store: store, Open: open})
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := s.URL(prefix(t), s.Address())
			open := func() blob.Store {
				store, err := cloud.Create(t.Context(), url)
				if err != nil {
					t.Error(err)
				}
				return store
			}
			race(t, open(), open)
		})
	}
}

// large is more than one part of an upload.
func large(writer byte) []byte { return bytes.Repeat([]byte{writer, 1, 2, 3}, 5<<20) }

// TestLargeRace has writers race with uploads of several parts.
func TestLargeRace(t *testing.T) {
	store := create(t, Start(t, binary))
	errs := make([]error, 3)
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() { errs[w] = store.Put(t.Context(), "n/blobs/1-x", large(byte(w))) })
	}
	all.Wait()
	won := -1
	for w, err := range errs {
		if err == nil && won < 0 {
			won = w
		} else if !errors.Is(err, blob.ErrExists) {
			t.Errorf("writer %d: %v; writer %d has won", w, err, won)
		}
	}
	if got, err := store.Get(t.Context(), "n/blobs/1-x"); won < 0 || err != nil || !bytes.Equal(got, large(byte(won))) {
		t.Errorf("writer %d won, %d bytes are there, error %v", won, len(got), err)
	}
}

// proxy stands before a server and calls before with every request.
func proxy(t *testing.T, s *Server, before func(*http.Request)) string {
	t.Helper()
	address, stop, err := s.Proxy(before, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address
}

// TestInterruptedUpload gives up an upload at each of its requests: nothing is
// visible until the last one, and the key can be created then.
func TestInterruptedUpload(t *testing.T) {
	s := Start(t, binary)
	for stop := 1; ; stop++ {
		var requests atomic.Int64
		var armed atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		address := proxy(t, s, func(r *http.Request) {
			if armed.Load() && strings.Contains(r.URL.Path, "n/blobs") && int(requests.Add(1)) == stop {
				cancel()
			}
		})
		store, err := cloud.Create(t.Context(), s.URL(prefix(t), address))
		if err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		err = store.Put(ctx, "n/blobs/1-x", large(7))
		armed.Store(false)
		if err == nil {
			if stop < 3 {
				t.Errorf("the upload took %d requests, want several parts", requests.Load())
			}
			return
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrNotWritten) || errors.Is(err, blob.ErrExists) {
			t.Errorf("stopped at request %d: %v, want an unknown outcome", stop, err)
		}
		infos, err := store.List(t.Context(), "")
		got, getErr := store.Get(t.Context(), "n/blobs/1-x")
		// The server may finish between the two calls what the client has given up.
		whole := getErr == nil && bytes.Equal(got, large(7))
		if err != nil || len(infos) > 1 || !whole && (len(infos) > 0 || !errors.Is(getErr, blob.ErrNotFound)) {
			t.Errorf("stopped at request %d: there is %v (error %v), Get: %d bytes, %v", stop, infos, err, len(got), getErr)
		}
		// It may still do so.
		err = store.Put(t.Context(), "n/blobs/1-x", large(8))
		want := large(8)
		if errors.Is(err, blob.ErrExists) {
			want, err = large(7), nil
		}
		if got, getErr := store.Get(t.Context(), "n/blobs/1-x"); err != nil || getErr != nil || !bytes.Equal(got, want) {
			t.Errorf("stopped at request %d, whole %t: another Put = %v; then there are %d bytes, error %v", stop, whole, err, len(got), getErr)
		}
	}
}

// TestServerDies kills the server at a part and at the end of an upload: after
// it is back the key is whole or absent.
func TestServerDies(t *testing.T) {
	s := Start(t, binary)
	for _, stop := range []int{2, 5} {
		var requests atomic.Int64
		var kill sync.Once
		var armed atomic.Bool
		address := proxy(t, s, func(r *http.Request) {
			if armed.Load() && strings.Contains(r.URL.Path, "n/blobs") && int(requests.Add(1)) == stop {
				kill.Do(s.Kill)
			}
		})
		store, err := cloud.Create(t.Context(), s.URL(prefix(t), address))
		if err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		if err := store.Put(t.Context(), "n/blobs/1-x", large(9)); err == nil || errors.Is(err, blob.ErrNotWritten) {
			t.Errorf("killed at request %d: %v, want an unknown outcome", stop, err)
		}
		armed.Store(false)
		s.Restart(t)
		got, err := store.Get(t.Context(), "n/blobs/1-x")
		if !errors.Is(err, blob.ErrNotFound) && (err != nil || !bytes.Equal(got, large(9))) {
			t.Errorf("killed at request %d: Get: %d bytes, %v; want all or nothing", stop, len(got), err)
		}
	}
}

// TestNoSecrets: neither a wrong key nor a missing bucket shows credentials.
func TestNoSecrets(t *testing.T) {
	s := Start(t, binary)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong"+secretKey)
	if _, err := cloud.Create(t.Context(), s.URL("x", s.Address())); err == nil || strings.Contains(err.Error(), secretKey) {
		t.Errorf("with a wrong key: %v", err)
	} else {
		t.Log(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	store, err := cloud.Open(t.Context(), strings.Replace(s.URL("x", s.Address()), bucket, "none", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "n/log/0"); err == nil || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Get from a bucket that is not there: %v, want an error that is not ErrNotFound", err)
	}
}
