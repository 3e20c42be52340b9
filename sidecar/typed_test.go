package sidecar

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

// fails checks code, reason and words of an error.
func fails(t *testing.T, what string, err error, code codes.Code, reason, words string) {
	t.Helper()
	s, _ := status.FromError(err)
	got := ""
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got = info.GetReason()
		}
	}
	if s.Code() != code || got != reason || !strings.Contains(s.Message(), words) {
		t.Errorf("%s: got %v with reason %q, want %v, %s, ...%s...", what, err, got, code, reason, words)
	}
}

func TestTypedService(t *testing.T) {
	store := newStore(t)
	v := newProducer(t, store, "usage", usageProto).publish(usage(3, 7)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	c := newClient(t, s, "usage")
	if got := string(c.service.FullName()); got != "holdfast.data.usage.UsageService" {
		t.Errorf("service is %s", got)
	}
	var header metadata.MD
	got, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`, grpc.Header(&header))
	want := `{"region":"R1","shares":[{"browser":"b","percent":7.5}],"total":"7"}`
	if err != nil || got != want {
		t.Errorf("get: %s, %v; want %s", got, err, want)
	}
	for key, want := range map[string]string{keyVersion: v.String(), keyAnnounced: v.String(), keyState: "ready"} {
		if got := header.Get(key); len(got) != 1 || got[0] != want {
			t.Errorf("header %s is %q, want %s", key, got, want)
		}
	}
	if age := header.Get(keyAge); len(age) != 1 || strings.HasPrefix(age[0], "-") {
		t.Errorf("header %s is %q", keyAge, age)
	}
	got, err = c.call(t.Context(), "BatchGetUsage", `{"keys":[{"region":"R2"},{"region":"none"},{"region":"R0"}]}`)
	want = `{"results":[{"record":{"region":"R2","shares":[{"browser":"b","percent":7.5}],"total":"7"}},{},{"record":{"region":"R0","shares":[{"browser":"b","percent":7.5}],"total":"7"}}]}`
	if err != nil || got != want {
		t.Errorf("batch: %s, %v; want %s", got, err, want)
	}
	all, err := c.list(t.Context(), "ListUsage")
	slices.Sort(all)
	if err != nil || len(all) != 3 || !strings.Contains(all[0], `"R0"`) {
		t.Errorf("list: %q, %v", all, err)
	}
	_, err = c.call(t.Context(), "GetUsage", `{}`, grpc.Header(&header))
	fails(t, "absent", err, codes.NotFound, "RECORD_NOT_FOUND", "no record")
	if got := header.Get(keyVersion); len(got) != 1 || got[0] != v.String() {
		t.Errorf("an absent record has version %q", got)
	}
}

func TestErrors(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 7)...)
	cfg := testConfig(store, "usage", "later")
	cfg.Datasets[1].Required = false
	cfg.Limits.MaxBatch, cfg.Limits.MaxAnswerBytes, cfg.Limits.MaxMessageBytes = 2, 100, 1000
	s := start(t, cfg)
	untilReady(t, s)
	c := newClientBeside(t, s, store, "usage")
	invoke := func(method string, request []byte) error {
		return c.conn.Invoke(t.Context(), method, &raw{answer: &request}, new(raw), grpc.ForceCodecV2(newCodec()))
	}
	const get = "/holdfast.data.usage.UsageService/GetUsage"
	fails(t, "not UTF-8", invoke(get, []byte{0x0a, 1, 0xff}), codes.InvalidArgument, "MALFORMED_REQUEST", "region: request is malformed: text is not UTF-8")
	fails(t, "cut short", invoke(get, []byte{0x0a, 5, 'a'}), codes.InvalidArgument, "MALFORMED_REQUEST", "unexpected EOF")
	fails(t, "unknown field", invoke(get, []byte{0x7a, 1, 'a'}), codes.NotFound, "RECORD_NOT_FOUND", "")
	fails(t, "no dataset", invoke("/holdfast.data.none.X/GetX", nil), codes.NotFound, "DATASET_NOT_FOUND", "none")
	fails(t, "not loaded", invoke("/holdfast.data.later.X/GetX", nil), codes.Unavailable, "DATASET_NOT_LOADED", "later")
	fails(t, "no method", invoke("/holdfast.data.usage.UsageService/PutUsage", nil), codes.Unimplemented, "UNSUPPORTED", "PutUsage")
	fails(t, "no service", invoke("/other.Service/Get", nil), codes.Unimplemented, "UNSUPPORTED", "/other.Service/Get")
	_, err := c.call(t.Context(), "BatchGetUsage", `{"keys":[{},{},{}]}`)
	fails(t, "large batch", err, codes.ResourceExhausted, "LIMIT", "more than 2 keys")
	_, err = c.call(t.Context(), "BatchGetUsage", `{"keys":[{"region":"R0"},{"region":"R0"}]}`)
	if err != nil {
		t.Errorf("an answer within the limit: %v", err)
	}
	_, err = c.call(t.Context(), "GetUsage", `{"region":"`+strings.Repeat("x", 2000)+`"}`)
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large request: %v", err)
	}
	s.gate.calls.now.Add(int64(cfg.Limits.MaxCalls))
	_, err = c.call(t.Context(), "GetUsage", `{"region":"R0"}`)
	fails(t, "many calls", err, codes.ResourceExhausted, "LIMIT", "under way")
	s.gate.calls.now.Add(-int64(cfg.Limits.MaxCalls))
	if _, err = c.call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil {
		t.Errorf("after many calls: %v", err)
	}
}

func TestAnswerLimit(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(30, 7)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxAnswerBytes = 20
	s := start(t, cfg)
	untilReady(t, s)
	c := newClientBeside(t, s, store, "usage")
	_, err := c.call(t.Context(), "BatchGetUsage", `{"keys":[{"region":"R0"},{"region":"R1"}]}`)
	fails(t, "large answer", err, codes.ResourceExhausted, "LIMIT", "exceeds 20 bytes")
	cfg.Limits.MaxAnswerBytes = 10
	s = start(t, cfg)
	untilReady(t, s)
	c.conn = dial(t, s.Addr())
	_, err = c.call(t.Context(), "GetUsage", `{"region":"R0"}`)
	fails(t, "large record", err, codes.ResourceExhausted, "RECORD_TOO_LARGE", "too large")
}

func TestFreshness(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v1 := p.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	ask := func(pairs ...string) (string, error) {
		return c.call(metadata.AppendToOutgoingContext(t.Context(), pairs...), "GetUsage", `{"region":"R1"}`)
	}
	v2 := p.publish(usage(3, 2)...)
	if got, err := ask(keyMinVersion, v2.String()); err != nil || !strings.Contains(got, `"total":"2"`) {
		t.Errorf("at least %s: %s, %v", v2, got, err)
	}
	if got, err := ask(keyVersion, v1.String()); err != nil || !strings.Contains(got, `"total":"1"`) {
		t.Errorf("exactly %s: %s, %v", v1, got, err)
	}
	if _, err := ask(keyMaxStaleness, "1h"); err != nil {
		t.Errorf("within an hour: %v", err)
	}
	_, err := ask(keyMaxStaleness, "1ns")
	fails(t, "too stale", err, codes.FailedPrecondition, "TOO_STALE", "the call allows 1ns")
	_, err = ask(keyVersion, "20010101000000000")
	fails(t, "unknown version", err, codes.NotFound, "VERSION_NOT_FOUND", "20010101000000000")
	for _, pair := range [][]string{
		{keyVersion, "new"}, {keyMinVersion, "-1"}, {keyMaxStaleness, "soon"}, {keyMaxStaleness, "-1s"}, {keyMaxStaleness, "0s"},
		{keyVersion, v1.String(), keyVersion, v2.String()}, {keyVersion, v1.String(), keyMinVersion, v2.String()},
	} {
		_, err := ask(pair...)
		fails(t, strings.Join(pair, " "), err, codes.InvalidArgument, "BAD_METADATA", "metadata")
	}
	_, err = ask(keySession, "s1")
	fails(t, "session", err, codes.NotFound, "SESSION_NOT_FOUND", "over or unknown")
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), keyMinVersion, "90000101000000000"), 2*time.Second)
	defer cancel()
	_, err = c.call(ctx, "GetUsage", `{"region":"R1"}`)
	fails(t, "a version to come", err, codes.FailedPrecondition, "VERSION_NOT_REACHED", v2.String()+" is applied")
}

func TestSchemaSwapUnderLoad(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	p.publish(usage(20, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var calls, seen atomic.Int64
	for i := range 6 {
		c := newClient(t, s, "usage")
		wg.Go(func() {
			for ctx.Err() == nil {
				var err error
				got := ""
				switch i % 3 {
				case 0:
					got, err = c.call(t.Context(), "GetUsage", `{"region":"R7"}`)
				case 1:
					got, err = c.call(t.Context(), "BatchGetUsage", `{"keys":[{"region":"R7"}]}`)
				case 2:
					var all []string
					all, err = c.list(t.Context(), "ListUsage")
					if err == nil && len(all) != 20 {
						t.Errorf("list has %d records", len(all))
					}
					got = strings.Join(all, "")
				}
				if err != nil || !strings.Contains(got, `"region":"R7"`) {
					t.Errorf("call failed: %s, %v", got, err)
					return
				}
				calls.Add(1)
				seen.Store(max(seen.Load(), int64(strings.Count(got, "total"))))
			}
		})
	}
	old := compile(t, usageProto)
	next := compile(t, usageProto2)
	for i := range 6 {
		if p.mapping = next; i%2 == 1 {
			p.mapping = old
		}
		v := p.publish(usage(20, i+2)...)
		until(t, "version "+v.String(), func() bool { return s.Replica("usage").Current().Version() == v })
	}
	stop()
	wg.Wait()
	if calls.Load() == 0 {
		t.Error("no calls were made")
	}
	p.mapping = next
	v := p.publish(`{"region":"R7","continent":"EU"}`)
	untilVersion(t, s, "usage", v)
	until(t, "the new service", func() bool {
		got, err := newClient(t, s, "usage").call(t.Context(), "GetUsage", `{"region":"R7"}`)
		return err == nil && got == `{"region":"R7","continent":"EU"}`
	})
}

func TestReflectionAndHealth(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage", "later")
	s := start(t, cfg)
	until(t, "usage", func() bool { return s.Replica("usage").Current() != nil && s.routes.Load().plans["usage"] != nil })
	conn := dial(t, s.Addr())
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(r *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		out, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var names []string
	list := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	for _, s := range ask(list).GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	slices.Sort(names)
	want := []string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"holdfast.data.usage.UsageService", "holdfast.v1.Lookup", "holdfast.v1.Sessions",
	}
	if !slices.Equal(names, want) {
		t.Errorf("services are %q, want %q", names, want)
	}
	for _, name := range []string{"holdfast.data.usage.UsageService", "holdfast.data.usage.Usage.shares", "holdfast.v1.Lookup.Get"} {
		r := ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}})
		if len(r.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
			t.Errorf("no file for %s: %v", name, r.GetErrorResponse())
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	check := func(name string) string {
		r, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if err != nil {
			return status.Code(err).String()
		}
		return r.GetStatus().String()
	}
	until(t, "health", func() bool { return check("usage") == "SERVING" })
	for name, want := range map[string]string{
		"holdfast.data.usage.UsageService": "SERVING", "later": "NOT_SERVING", "": "NOT_SERVING", "none": "NotFound",
	} {
		if got := check(name); got != want {
			t.Errorf("health of %q is %s, want %s", name, got, want)
		}
	}
	if code, text := fetch(t, s, "/readyz"); code != 503 || !strings.Contains(text, "dataset later: not ready: nothing is applied") {
		t.Errorf("readyz: %d %s", code, text)
	}
	newProducer(t, store, "later", usageProto).publish(usage(1, 1)...)
	until(t, "overall health", func() bool { return check("") == "SERVING" })
	if code, _ := fetch(t, s, "/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
}

// The key of a dataset with one field of each kind.
const kindsProto = `
syntax = "proto3";
package owner;
import "holdfast/v1/options.proto";
enum Color { RED = 0; BLUE = 3; }
message Inner { sint64 s64 = 1; }
message All {
  option (holdfast.v1.dataset) = {key: ["i32","s32","sf32","i64","inner.s64","sf64","u32","f32","u64","f64","ok","text","data","color"]};
  int32 i32 = 1; sint32 s32 = 2; sfixed32 sf32 = 3; int64 i64 = 4; Inner inner = 5; sfixed64 sf64 = 6;
  uint32 u32 = 7; fixed32 f32 = 8; uint64 u64 = 9; fixed64 f64 = 10; bool ok = 11; string text = 12; bytes data = 13; Color color = 14;
}
`

func TestKeysOfAllKinds(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "all", kindsProto).publish(
		`{"i32":-5,"s32":-6,"sf32":-7,"i64":"-8","inner":{"s64":"-9"},"sf64":"-10","u32":4294967295,"f32":12,"u64":"18446744073709551615","f64":"14","ok":true,"text":"ä","data":"AAH/","color":"BLUE"}`,
		`{"i32":0,"s32":0,"sf32":0,"i64":"0","inner":{"s64":"0"},"sf64":"0","u32":0,"f32":0,"u64":"0","f64":"0","ok":false,"text":"zero","data":"","color":"RED"}`)
	s := start(t, testConfig(store, "all"))
	untilReady(t, s)
	c := newClient(t, s, "all")
	request := `{"i32":-5,"s32":-6,"sf32":-7,"i64":"-8","inner_s64":"-9","sf64":"-10","u32":4294967295,"f32":12,"u64":"18446744073709551615","f64":"14","ok":true,"text":"ä","data":"AAH/","color":"BLUE"}`
	if got, err := c.call(t.Context(), "GetAll", request); err != nil || !strings.Contains(got, `"u64":"18446744073709551615"`) {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := c.call(t.Context(), "GetAll", `{"text":"zero"}`); err != nil || !strings.Contains(got, `"zero"`) {
		t.Errorf("got %s, %v", got, err)
	}
	_, err := c.call(t.Context(), "GetAll", strings.Replace(request, `"BLUE"`, `77`, 1))
	fails(t, "unnamed enum", err, codes.InvalidArgument, "BAD_KEY", "77 names no value")
	_, err = c.call(t.Context(), "GetAll", strings.Replace(request, `-9`, `9`, 1))
	fails(t, "other key", err, codes.NotFound, "RECORD_NOT_FOUND", "")
}
