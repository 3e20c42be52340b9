package sidecar

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// makingLimit is limits.max_pending_bytes where answers are large.
const makingLimit = 32 << 20

// makingLarge serves a record of 60 kB as R1, and one of 3 MB as R2.
func makingLarge(t *testing.T) *Sidecar {
	t.Helper()
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(
		`{"region":"R1","shares":[{"browser":"`+strings.Repeat("x", 60_000)+`"}]}`,
		`{"region":"R2","shares":[{"browser":"`+strings.Repeat("y", 3_000_000)+`"}]}`)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes = makingLimit
	s := start(t, cfg)
	untilReady(t, s)
	return s
}

// batch returns a typed request for n times a key.
func batch(n int, key string) (request []byte) {
	for range n {
		request = protowire.AppendBytes(append(request, 0x0a), protowire.AppendBytes([]byte{0x0a}, []byte(key)))
	}
	return request
}

// genericBatch is batch for the generic service.
func genericBatch(n int, key string) *holdfastv1.BatchGetRequest {
	request := &holdfastv1.BatchGetRequest{Dataset: "usage"}
	for range n {
		request.Keys = append(request.Keys, &holdfastv1.Key{Values: []string{key}})
	}
	return request
}

// TestAnswersBeingMade makes large answers, as if many calls did so at once, until
// one is refused: what they take by then is within the limit.
func TestAnswersBeingMade(t *testing.T) {
	s := makingLarge(t)
	r, err := s.routes.Load().datasets["usage"].read(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for way, answer := range map[string]func(*claim) (int, error){
		"typed batch": func(x *claim) (int, error) {
			var to, scratch []byte
			err := s.appendBatch(r, &to, &scratch, &call{arrival: arrival{claim: *x}, request: raw{bytes: batch(30, "R1")}})
			return cap(to) + cap(scratch), err
		},
		"typed get": func(x *claim) (int, error) {
			record, _, err := r.find([]byte("\x0a\x02R2"))
			if err != nil {
				return 0, err
			}
			b, err := r.plan.mapping.AppendWithin(nil, record, x)
			return cap(b), err
		},
		"generic batch": func(x *claim) (int, error) {
			out, err := (&generic{s: s}).BatchGet(withClaim(t.Context(), x), genericBatch(30, "R1"))
			return proto.Size(out), err
		},
		"generic get": func(x *claim) (int, error) {
			out, err := (&generic{s: s}).Get(withClaim(t.Context(), x), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R2"}})
			return proto.Size(out), err
		},
	} {
		from, taken, answers := &caller{user: newUser("test", s.cfg.Limits), backlog: &s.callers.backlog}, 0, 0
		for err = nil; err == nil && answers < 100; answers++ {
			n := 0
			n, err = answer(&claim{gate: s.gate, of: from})
			taken += n
		}
		if !errors.Is(toStatus(err), err) || status.Code(err) != codes.ResourceExhausted || answers < 2 || taken > makingLimit/2 {
			t.Errorf("%s: %d answers take %d bytes, at most %d are allowed: %v", way, answers, taken, makingLimit/2, err)
		}
		from.unclaim(from.claimed.Load())
	}
}

// TestAnswersTogether asks for large answers from many goroutines: they are
// answered or refused, there are never more than the limit, and nothing counts
// when all are over.
func TestAnswersTogether(t *testing.T) {
	s := makingLarge(t)
	c := newClient(t, s, "usage")
	lookup := holdfastv1.NewLookupClient(c.conn)
	typedBatch := `{"keys":[` + strings.Repeat(`{"region":"R1"},`, 29) + `{"region":"R1"}]}`
	ways := []func() error{
		func() error { _, err := c.call(t.Context(), "BatchGetUsage", typedBatch); return err },
		func() error { _, err := c.call(t.Context(), "GetUsage", `{"region":"R2"}`); return err },
		func() error { _, err := lookup.BatchGet(t.Context(), genericBatch(20, "R1")); return err },
		func() error {
			_, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
			return err
		},
		func() error {
			_, err := lookup.BatchGet(t.Context(), &holdfastv1.BatchGetRequest{Dataset: "usage", Keys: append(genericBatch(9, "R1").Keys, &holdfastv1.Key{})})
			if status.Code(err) != codes.InvalidArgument && status.Code(err) != codes.ResourceExhausted {
				return fmt.Errorf("a key of no values: %w", err)
			}
			return nil
		},
		func() error {
			if code, body := fetch(t, s, "/datasets/usage/record?key=R2"); code != http.StatusOK && code != http.StatusTooManyRequests {
				return fmt.Errorf("over HTTP %d %.200s", code, body)
			}
			return nil
		},
		func() error { _, err := c.list(t.Context(), "ListUsage"); return err },
	}
	var all sync.WaitGroup
	for i := range 8 * len(ways) {
		all.Go(func() {
			if err := ways[i%len(ways)](); err != nil {
				fails(t, fmt.Sprint("way ", i%len(ways)), err, codes.ResourceExhausted, "LIMIT", "limits.max_pending_bytes")
			}
			if n := s.callers.backlog.bytes.Load(); n > makingLimit {
				t.Errorf("%d bytes count, at most %d may", n, makingLimit)
			}
		})
	}
	all.Wait()
	until(t, "nothing that counts", func() bool { return s.callers.backlog.bytes.Load() == 0 })
	for i, way := range ways[:4] {
		if err := way(); err != nil {
			t.Errorf("alone, way %d: %v", i, err)
		}
	}
}

// TestClaimsOutliveConnections ends a connection whose call still makes an answer:
// what that takes counts until it is over.
func TestClaimsOutliveConnections(t *testing.T) {
	b := &backlog{limit: 1 << 20}
	from := &caller{backlog: b}
	x := &claim{of: from}
	if err := x.make(200_000); err != nil {
		t.Fatal(err)
	}
	if err := x.receive(100_000); err != nil {
		t.Fatal(err)
	}
	from.leave()
	if n := b.bytes.Load(); n != 300_000 {
		t.Errorf("%d bytes count after the connection, want 300000", n)
	}
	if from.claim(300_000) {
		t.Error("a caller that is gone may have all there is")
	}
	x.close()
	if n := b.bytes.Load(); n != 0 {
		t.Errorf("%d bytes count after the call", n)
	}
}
