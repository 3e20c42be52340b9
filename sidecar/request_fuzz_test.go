package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// requestLimit is what answering a request may allocate. A key of two bytes
// can ask for a record of some hundred.
var requestLimit = fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}

// fuzzed returns a sidecar that serves 20 records of usage and does nothing by
// itself.
func fuzzed(f *testing.F) *Sidecar {
	f.Helper()
	store := newStore(f)
	newProducer(f, store, "usage", usageProto).publish(usage(20, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Poll = time.Hour
	s := start(f, cfg)
	untilReady(f, s)
	return s
}

// soon is a context whose calls wait for no version.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// FuzzHTTP asks for a record by any query and any headers: the answer is JSON
// with a code that says whose mistake it is.
func FuzzHTTP(f *testing.F) {
	s := fuzzed(f)
	version := s.Replica("usage").Current().Version().String()
	f.Add("key=R1", "", "", "", "")
	f.Add("key=R1&version="+version, version, version, "1h", "")
	f.Add("key=none&key=", "", "", "-1s", "x")
	f.Add("key=%zz;", "x", "9223372036854775807", "1e400h", "\x00")
	f.Add("Key=R1", "-1", "-1", "", "")
	f.Fuzz(func(t *testing.T, query, version, least, age, session string) {
		r := httptest.NewRequestWithContext(soon(t), http.MethodGet, "/datasets/usage/record", nil)
		r.URL.RawQuery = query
		r.SetPathValue("dataset", "usage")
		for key, value := range map[string]string{keyVersion: version, keyMinVersion: least, keyMaxStaleness: age, keySession: session} {
			if value != "" {
				r.Header.Add(key, value)
			}
		}
		w := httptest.NewRecorder()
		requestLimit.Check(t, "HTTP request", len(query)+len(version)+len(least)+len(age)+len(session), func() { s.record(w, r) })
		known := w.Code == http.StatusOK || slices.Contains(slices.Collect(maps.Values(httpCodes)), w.Code)
		if !known || !json.Valid(w.Body.Bytes()) {
			t.Errorf("query %q: code %d, answer %s", query, w.Code, w.Body)
		}
		if w.Code == http.StatusOK {
			if values, err := url.ParseQuery(query); err != nil || len(values["key"]) != 1 {
				t.Errorf("query %q is answered: %s", query, w.Body)
			}
		}
	})
}

// FuzzMetadata makes a call with any metadata, one "key: value" a line: it reads
// the version that is there, or fails with a cause.
func FuzzMetadata(f *testing.F) {
	s := fuzzed(f)
	d := s.routes.Load().datasets["usage"]
	current := d.replica.Current().Version()
	for _, text := range []string{
		"", keyVersion + ": " + current.String(), keyMinVersion + ": 1\n" + keyMaxStaleness + ": 1h", keySession + ": x",
		keyVersion + ": 1\n" + keyVersion + ": 1", keyMaxStaleness + ": 9223372036854775807ns", keyMinVersion + ": " + (current + 1).String(), keyVersion + ": -0",
	} {
		f.Add(text, "")
	}
	f.Add("", current.String())
	f.Add(keyVersion+": 1", "2")
	f.Fuzz(func(t *testing.T, text, named string) {
		md := metadata.MD{}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			md.Append(key, value)
		}
		var r reading
		var err error
		requestLimit.Check(t, "metadata", len(text)+len(named), func() { r, err = d.read(withMisnamed(metadata.NewIncomingContext(soon(t), md), md), named) })
		if err != nil {
			if code := status.Code(toStatus(err)); code == codes.Internal || code == codes.Unknown {
				t.Errorf("%q, version %q: error without cause: %v", text, named, err)
			}
			return
		}
		if r.view.Version() != current {
			t.Errorf("%q, version %q: read at %s", text, named, r.view.Version())
		}
		if v, err := dataset.ParseVersion(named); named != "" && (err != nil || v != current) {
			t.Errorf("version %q is answered", named)
		}
	})
}

// FuzzBatchGet sends any bytes as a batch of keys: the answer has a result for
// each, those of a message that holds the keys, or there is a cause.
func FuzzBatchGet(f *testing.F) {
	s := fuzzed(f)
	d := s.routes.Load().datasets["usage"]
	r, err := d.read(f.Context(), "")
	if err != nil {
		f.Fatal(err)
	}
	m := r.plan.service.Methods().ByName(protoreflect.Name("BatchGetUsage"))
	for _, b := range []string{"", "\x0a\x04\x0a\x02R1", "\x0a\x00\x0a\x06\x0a\x04none\x0a\x04\x0a\x02R2", "\x0a\x04\x0a\x02R1\x0b\x0c", "\x0a\xff\xff\xff\xff\x0f"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		var to, scratch []byte
		var err error
		requestLimit.Check(t, "batch", len(request), func() { err = s.appendBatch(r, &to, &scratch, &call{request: raw{bytes: request}}) })
		keys := dynamicpb.NewMessage(m.Input())
		if malformed := proto.Unmarshal(request, keys); err == nil && malformed != nil {
			t.Fatalf("%x is answered, and is no request: %v", request, malformed)
		}
		if err != nil {
			if !errors.Is(err, errMalformed) && !errors.Is(err, protomap.ErrBadKey) && !errors.Is(err, errLimit) {
				t.Errorf("%x: error without cause: %v", request, err)
			}
			return
		}
		results := dynamicpb.NewMessage(m.Output())
		if err := proto.Unmarshal(to, results); err != nil {
			t.Fatalf("%x: answer %x: %v", request, to, err)
		}
		compareBatch(t, keys, results)
	})
}

// compareBatch holds that each record of a batch is the one of its key.
func compareBatch(t *testing.T, keys, results protoreflect.Message) {
	t.Helper()
	wanted := keys.Get(keys.Descriptor().Fields().ByName("keys")).List()
	got := results.Get(results.Descriptor().Fields().ByName("results")).List()
	if wanted.Len() != got.Len() {
		t.Fatalf("%d results for %d keys", got.Len(), wanted.Len())
	}
	for i := range wanted.Len() {
		region := func(m protoreflect.Message) string { return m.Get(m.Descriptor().Fields().ByName("region")).String() }
		result := got.Get(i).Message()
		field := result.Descriptor().Fields().ByName("record")
		if key := region(wanted.Get(i).Message()); result.Has(field) && region(result.Get(field).Message()) != key {
			t.Errorf("key %q: record %v", key, result)
		}
	}
}
