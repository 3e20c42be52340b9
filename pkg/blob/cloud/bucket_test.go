package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
)

// TestCloud runs the conformance tests on the code between the Store and a
// driver; testenv/s3 runs them on a real server.
func TestCloud(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		bucket := memblob.OpenBucket(nil)
		t.Cleanup(func() { bucket.Close() })
		return cloud.InBucket(bucket)
	})
}

// bucket is an S3 server with one answer for each kind of request. It keeps
// whole objects, and is all that the tests here need.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    int
	// put decides what happens to the n'th PUT; nil creates only.
	put func(n int, w http.ResponseWriter, store func())
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	data, there := b.objects[r.URL.Path]
	switch r.Method {
	case http.MethodPut:
		b.puts++
		store := func() { b.objects[r.URL.Path] = body }
		if b.put != nil {
			b.put(b.puts, w, store)
		} else if there {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		} else {
			store()
		}
	case http.MethodGet, http.MethodHead:
		if !there {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	case http.MethodDelete:
		delete(b.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}
}

// held returns what the bucket holds and how many puts it has seen.
func (b *bucket) held() (objects map[string][]byte, puts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.objects), b.puts
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

// serve starts the server and returns its URL for Open.
func serve(t *testing.T, b *bucket) string {
	t.Helper()
	b.objects = map[string][]byte{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	credentials(t)
	return "s3://bucket/some/prefix?region=us-east-1&use_path_style=true&request_checksum_calculation=when_required&endpoint=" + server.URL
}

const secretKey = "s3cr3tKEYs3cr3tKEY"

func credentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestCreateProbes(t *testing.T) {
	b := &bucket{}
	store, err := cloud.Create(t.Context(), serve(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if objects, puts := b.held(); len(objects) != 0 || puts != 3 {
		t.Errorf("after Create: %d puts left %v", puts, objects)
	}
	err = store.Put(t.Context(), "d/log/0", []byte("x"))
	objects, puts := b.held()
	if err != nil || puts != 4 {
		t.Errorf("Put: %v after %d puts", err, puts)
	}
	if string(objects["/bucket/some/prefix/d/log/0"]) != "x" {
		t.Errorf("the bucket holds %v", objects)
	}
}

// TestOpenProbesBeforeItWrites shows that a reader writes nothing.
func TestOpenProbesBeforeItWrites(t *testing.T) {
	b := &bucket{}
	store, err := cloud.Open(t.Context(), serve(t, b))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Get(t.Context(), "d/log/0")
	if _, puts := b.held(); !errors.Is(err, blob.ErrNotFound) || puts != 0 {
		t.Errorf("Get: %v after %d puts", err, puts)
	}
	err = store.Put(t.Context(), "d/log/0", []byte("x"))
	if _, puts := b.held(); err != nil || puts != 4 {
		t.Errorf("Put: %v after %d puts", err, puts)
	}
}

// TestNotCreateOnly refuses a server that knows no conditions.
func TestNotCreateOnly(t *testing.T) {
	b := &bucket{put: func(_ int, _ http.ResponseWriter, store func()) { store() }}
	url := serve(t, b)
	if _, err := cloud.Create(t.Context(), url); !errors.Is(err, cloud.ErrNotCreateOnly) {
		t.Errorf("Create = %v, want ErrNotCreateOnly", err)
	}
	store, err := cloud.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	err = store.Put(t.Context(), "d/log/0", []byte("x"))
	objects, _ := b.held()
	if !errors.Is(err, cloud.ErrNotCreateOnly) || !errors.Is(err, blob.ErrNotWritten) || len(objects) != 0 {
		t.Errorf("Put = %v, want ErrNotCreateOnly and ErrNotWritten; there is %v", err, objects)
	}
}

// proven opens a store whose first Put, after the probe, meets what put does.
func proven(t *testing.T, put func(n int, w http.ResponseWriter, store func())) (*bucket, blob.Store) {
	t.Helper()
	b := &bucket{}
	store, err := cloud.Create(t.Context(), serve(t, b))
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts, b.put = 0, put
	return b, store
}

// TestLostAnswer never says that nothing was written when something was.
func TestLostAnswer(t *testing.T) {
	b, store := proven(t, func(_ int, _ http.ResponseWriter, store func()) {
		store()
		panic(http.ErrAbortHandler) // the connection breaks
	})
	err := store.Put(t.Context(), "d/log/0", []byte("x"))
	if err == nil || errors.Is(err, blob.ErrNotWritten) || errors.Is(err, blob.ErrExists) {
		t.Errorf("Put = %v, want an unknown outcome", err)
	}
	if objects, _ := b.held(); len(objects) != 1 {
		t.Errorf("the bucket holds %v", objects)
	}
}

// TestRefusals: no answer proves that an attempt before it wrote nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
	}{{http.StatusForbidden, "AccessDenied"}, {http.StatusInternalServerError, "InternalError"}, {http.StatusNotFound, "NoSuchBucket"}} {
		_, store := proven(t, func(_ int, w http.ResponseWriter, _ func()) { refuse(w, c.status, c.code) })
		err := store.Put(t.Context(), "d/log/0", []byte("x"))
		if err == nil || errors.Is(err, blob.ErrNotWritten) || errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: Put = %v, want an unknown outcome that says why", c.code, err)
		}
	}
}

// TestConflict tries again while another create is under way.
func TestConflict(t *testing.T) {
	b, store := proven(t, func(n int, w http.ResponseWriter, store func()) {
		if n < 3 {
			refuse(w, http.StatusConflict, "ConditionalRequestConflict")
			return
		}
		store()
	})
	err := store.Put(t.Context(), "d/log/0", []byte("x"))
	if _, puts := b.held(); err != nil || puts != 3 {
		t.Errorf("Put = %v after %d attempts, want success at the third", err, puts)
	}
}

// TestTruncatedGet: fewer bytes than promised are an error.
func TestTruncatedGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("short"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	credentials(t)
	store, err := cloud.Open(t.Context(), "s3://bucket?region=us-east-1&use_path_style=true&endpoint="+server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := store.Get(t.Context(), "d/log/0"); err == nil {
		t.Errorf("Get = %q, want an error", b)
	}
	r, err := blob.Stream(t.Context(), store, "d/log/0", blob.Ref{Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 { // the error stays
		if b, err := io.ReadAll(r); err == nil || errors.Is(err, blob.ErrDigest) {
			t.Errorf("Stream = %q, %v; want an error that is not ErrDigest", b, err)
		}
	}
}

// TestInterruptedPut: a Put whose context ends says so, and leaves nothing.
func TestInterruptedPut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b, store := proven(t, func(_ int, w http.ResponseWriter, _ func()) {
		cancel()
		refuse(w, http.StatusInternalServerError, "InternalError")
	})
	err := store.Put(ctx, "d/blobs/1-x", bytes.Repeat([]byte("x"), 1<<20))
	objects, _ := b.held()
	if !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrNotWritten) || len(objects) != 0 {
		t.Errorf("Put = %v; there is %d", err, len(objects))
	}
}

func TestOpenLocations(t *testing.T) {
	dir := t.TempDir()
	for _, location := range []string{dir, "file://" + dir} {
		store, err := cloud.Open(t.Context(), location)
		if err != nil {
			t.Errorf("Open(%s) = %v", location, err)
		} else if d, ok := store.(*blob.Dir); !ok || d.Root() != dir {
			t.Errorf("Open(%s) = %#v", location, store)
		}
	}
	for location, want := range map[string]string{
		"":                                   "name a folder",
		dir + "/none":                        "no such file",
		"file://host/x":                      "file:///PATH",
		"mem://":                             "in memory",
		"mem://x":                            "in memory",
		"fiel:///tmp":                        "unknown",
		"http://127.0.0.1/x":                 "unknown",
		"s3://":                              "names no bucket",
		"s3://AKID:" + secretKey + "@bucket": "holds credentials",
		"s3://b ad:%zz@" + secretKey:         "not a URL",
		"s3://bucket/.hidden":                "prefix",
		"s3://bucket/a?" + "secret=x":        "unknown query parameter",

		"s3://bucket/a?secret=" + secretKey:                       "unknown query parameter",
		"s3://AKID:/" + secretKey + "@bucket":                     "holds credentials",
		"s3://b?endpoint=http://x:" + secretKey + "@127.0.0.1:1/": "holds credentials",
	} {
		_, err := cloud.Open(t.Context(), location)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretKey) {
			t.Errorf("Open(%q) = %v, want an error with %q and without secrets", location, err, want)
		}
	}
}

// What is refused without a look at the store, Check refuses, too.
func TestCheck(t *testing.T) {
	for location, good := range map[string]bool{
		"": false, "store": true, "/store": true, "file:///x": true, "s3://bucket/x?region=eu-west-1": true, "gs://b": true, "azblob://b": true,
		"http://x/y": false, "s3://": false, "s3://AKID:" + secretKey + "@bucket": false,
	} {
		if err := cloud.Check(location); (err == nil) != good || err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("Check(%q) = %v, want it good: %v", location, err, good)
		}
	}
}

// A location is shown so that nobody learns from it what they should not know.
func TestShown(t *testing.T) {
	const s = secretKey
	for location, want := range map[string]string{
		"":                         "",
		"./a@b?c":                  "./a@b?c",
		"file:///x/y":              "file:///x/y",
		"s3://bucket/a/b":          "s3://bucket/a/b",
		"gs://bucket":              "gs://bucket",
		"s3://AKID:" + s + "@b":    "s3://********@b",
		"S3://" + s + "@b/c":       "s3://********@b/c",
		"s3://AKID:/" + s + "@b/c": "s3://********",
		"s3://AKID:1/" + s + "@b":  "s3://********",
		"s3://AKID:x/" + s + "@b":  "s3://********",
		"http://" + s + "@h:8/x":   "http://********@h:8/x",
		"http://h:8/x":             "http://h:8/x",
		"s3://b ad:%zz@" + s:       "s3://********",
		"s3://b/c?region=r&endpoint=http://h:1&use_path_style=true": "s3://b/c?region=r&endpoint=http://h:1&use_path_style=true",
		"s3://b?region=r&secret_key=" + s:                           "s3://b?region=r&secret_key=********",
		"s3://b?endpoint=http://k:" + s + "@h":                      "s3://b?endpoint=********",
		"s3://b?endpoint=http%3A%2F%2Fk%3A" + s + "%40h":            "s3://b?endpoint=********",
		"s3://b?" + s: "s3://b?********",
		"s3://b#" + s: "s3://b#********",
	} {
		if got := cloud.Shown(location); got != want {
			t.Errorf("Shown(%q) = %q, want %q", location, got, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"/a/b":          "/a/b",
		"/a/./b/":       "/a/b",
		"file:///a//b/": "/a/b",
		"./a":           filepath.Join(here, "a"),
		"s3://b/c?region=r&secret_key=" + secretKey: "s3://b/c?region=r&secret_key=********",
	} {
		if got := cloud.Identity(location); got != want {
			t.Errorf("Identity(%q) = %q, want %q", location, got, want)
		}
	}
}

// TestNoSecretInErrors: what fails is told without what signs requests.
func TestNoSecretInErrors(t *testing.T) {
	_, store := proven(t, func(_ int, w http.ResponseWriter, _ func()) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>https://x/y?sv=1&amp;sig=%s&amp;X-Amz-Signature=%s</Message></Error>", secretKey, secretKey)
	})
	err := store.Put(t.Context(), "d/log/0", []byte("x"))
	if err == nil || strings.Contains(err.Error(), secretKey) || !strings.Contains(err.Error(), "sig=…") {
		t.Errorf("Put = %v, want an error without the key", err)
	}
}
