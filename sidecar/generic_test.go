package sidecar

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func TestGenericService(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v1 := p.publish(usage(3, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	v2 := p.publish(append(usage(2, 1), `{"region":"R2","total":"9"}`, `{"region":"new"}`)...)
	untilVersion(t, s, "usage", v2)
	c := holdfastv1.NewLookupClient(dial(t, s.Addr()))

	got, err := c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R2"}})
	if err != nil || got.GetRecord().GetJson() != `{"region":"R2","shares":[],"total":"9"}` || got.GetVersion() != v2.String() {
		t.Errorf("get: %v, %v", got, err)
	}
	old, err := c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Version: v1.String(), Key: []string{"R2"}})
	if err != nil || old.GetVersion() != v1.String() || old.GetRecord().GetType() != "Usage" {
		t.Errorf("get at %s: %v, %v", v1, old, err)
	}
	_, err = c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"none"}})
	fails(t, "absent", err, codes.NotFound, "RECORD_NOT_FOUND", "usage")
	_, err = c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"a", "b"}})
	fails(t, "two values", err, codes.InvalidArgument, "BAD_KEY", "region")
	_, err = c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "none"})
	fails(t, "no dataset", err, codes.NotFound, "DATASET_NOT_FOUND", "none")
	_, err = c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Version: "x"})
	fails(t, "bad version", err, codes.InvalidArgument, "MALFORMED_REQUEST", "version")

	batch, err := c.BatchGet(t.Context(), &holdfastv1.BatchGetRequest{Dataset: "usage", Keys: []*holdfastv1.Key{{Values: []string{"none"}}, {Values: []string{"new"}}}})
	if err != nil || len(batch.GetResults()) != 2 || batch.GetResults()[0].GetRecord() != nil || batch.GetResults()[1].GetRecord().GetJson() != `{"region":"new","shares":[],"total":"0"}` {
		t.Errorf("batch: %v, %v", batch, err)
	}
	if n := listAll(t, c, &holdfastv1.ListRequest{Dataset: "usage"}); n != 4 {
		t.Errorf("list has %d records", n)
	}
	if n := listAll(t, c, &holdfastv1.ListRequest{Dataset: "usage", Version: v1.String(), Limit: 2}); n != 2 {
		t.Errorf("list of 2 has %d records", n)
	}

	diff, err := c.Diff(t.Context(), &holdfastv1.DiffRequest{FromDataset: "usage", FromVersion: v1.String(), ToVersion: v2.String()})
	want := &holdfastv1.DiffResponse{
		FromVersion: v1.String(), ToVersion: v2.String(), Added: 1, Changed: 1, Unchanged: 2,
		Fields: diff.GetFields(),
	}
	if err != nil || !proto.Equal(diff, want) || diff.GetFields()["total"] != 1 {
		t.Errorf("diff: %v, %v", diff, err)
	}
	sets, err := c.Datasets(t.Context(), &holdfastv1.DatasetsRequest{})
	wantSets := &holdfastv1.DatasetsResponse{Datasets: []*holdfastv1.DatasetInfo{{
		Name: "usage", Root: "Usage", Key: []string{"region"}, Service: "holdfast.data.usage.UsageService", Required: true,
	}}}
	if d := cmp.Diff(wantSets, sets, protocmp.Transform()); err != nil || d != "" {
		t.Errorf("datasets: %v\n%s", err, d)
	}
	versions, err := c.Versions(t.Context(), &holdfastv1.VersionsRequest{Dataset: "usage"})
	if err != nil || len(versions.GetVersions()) != 2 || versions.GetVersions()[0].GetRecords() != 3 || versions.GetVersions()[1].GetPrevious() != v1.String() || !versions.GetVersions()[1].GetLive() {
		t.Errorf("versions: %v, %v", versions, err)
	}
	status, err := c.Status(t.Context(), &holdfastv1.StatusRequest{Dataset: "usage"})
	if err != nil || len(status.GetDatasets()) != 1 || status.GetDatasets()[0].GetVersion() != v2.String() || !status.GetReady() {
		t.Errorf("status: %v, %v", status, err)
	}
	schema, err := c.Schema(t.Context(), &holdfastv1.SchemaRequest{Dataset: "usage"})
	if err != nil || !schema.GetDeclared() || schema.GetMessage() != "holdfast.data.usage.Usage" || len(schema.GetDescriptorSet()) == 0 {
		t.Errorf("schema: %v, %v", schema, err)
	}
}

func listAll(t *testing.T, c holdfastv1.LookupClient, in *holdfastv1.ListRequest) int {
	t.Helper()
	stream, err := c.List(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysAgree reads random requests off the wire and through a message.
func TestKeysAgree(t *testing.T) {
	m := compile(t, kindsProto)
	file, err := protomap.Redeclare(m, "all")
	if err != nil {
		t.Fatal(err)
	}
	p := &plan{}
	if err := p.method(file.Services().Get(0).Methods().Get(0)); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	request := file.Services().Get(0).Methods().Get(0).Input()
	for range 2000 {
		msg := dynamicpb.NewMessage(request)
		for i := range request.Fields().Len() {
			if f := request.Fields().Get(i); r.IntN(4) > 0 {
				msg.Set(f, randomKey(r, f))
			}
		}
		b, err := proto.Marshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := m.RequestKey(msg)
		got := make([]state.Value, len(p.keys))
		err = p.readKey(got, b)
		if (err == nil) != (wantErr == nil) || err == nil && !slices.EqualFunc(got, want, state.Value.Equal) {
			t.Fatalf("seed %d: %v is read as %v, %v, want %v, %v", seed, msg, got, err, want, wantErr)
		}
	}
}

func randomKey(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	n := r.Uint64() >> r.IntN(64)
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(rune('a' + n%1000)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{byte(n), byte(n >> 8)})
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n%2 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n % 4))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	}
	return protoreflect.ValueOfUint64(n)
}

func FuzzReadKey(f *testing.F) {
	m, err := protomap.Compile(f.Context(), "d.proto", func(path string) ([]byte, error) {
		if path != "d.proto" {
			return nil, io.EOF
		}
		return []byte(kindsProto), nil
	})
	if err != nil {
		f.Fatal(err)
	}
	file, err := protomap.Redeclare(m, "all")
	if err != nil {
		f.Fatal(err)
	}
	p := &plan{}
	if err := p.method(file.Services().Get(0).Methods().Get(0)); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0x08, 1})
	f.Add([]byte{0x62, 1, 'a', 0x70, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		key := make([]state.Value, len(p.keys))
		var err error
		fuzzing.Limit{Fixed: 64 << 10, PerByte: 100}.Check(t, "key", len(b), func() { err = p.readKey(key, b) })
		if err != nil && !errors.Is(err, errMalformed) && !errors.Is(err, protomap.ErrBadKey) {
			t.Errorf("%x: error without cause: %v", b, err)
		}
	})
}
