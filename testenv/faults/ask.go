package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// The ways to read, which are also the methods of a typed service in order.
const (
	get int = iota
	batch
	list
	ways
)

// want is one look-up.
type want struct {
	sidecar int
	typed   bool
	how     int
	id      int // of the record that get gets; records means one that is not there
	session *session
	version dataset.Version // None means the newest
	min     dataset.Version
	maxAge  time.Duration // negative means any
}

// answer is what came of it.
type answer struct {
	want
	begin, end time.Time
	err        error
	records    []record
	version    dataset.Version // what was read
	announced  dataset.Version
	age        time.Duration // negative if there is none
	state      string
}

// record is one record of an answer; nil texts are records that are not there.
type record struct {
	ID string `json:"id"`
	N  int64  `json:"n,string"`
}

// want draws a look-up of a sidecar.
func (f *fleet) want(i int) want {
	random := f.s.random
	w := want{sidecar: i, typed: random.IntN(2) == 0, how: random.IntN(ways), id: random.IntN(records + 1), maxAge: -1}
	switch random.IntN(7) {
	case 0:
		w.version = f.s.truth.recent(random)
	case 1:
		w.min = f.s.truth.recent(random)
	case 2:
		w.maxAge = f.time(2 * maxStaleness)
	case 3, 4:
		if all := f.all[i].sessions; len(all) > 0 {
			w.session = all[random.IntN(len(all))]
		}
	}
	return w
}

// ask does a look-up.
func (f *fleet) ask(ctx context.Context, w want) answer {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for key, value := range w.metadata() {
		ctx = metadata.AppendToOutgoingContext(ctx, key, value)
	}
	a := answer{want: w, begin: time.Now()}
	var header metadata.MD
	var said string // the version in the answer's message
	if w.typed {
		header, a.err = f.askTyped(ctx, w, &a)
	} else {
		header, said, a.err = f.askGeneric(ctx, w, &a)
	}
	a.end = time.Now()
	if err := a.read(header); err != nil {
		a.err = errors.Join(a.err, err)
	}
	if a.err == nil && said != "" && said != a.version.String() {
		a.err = fmt.Errorf("%w: message says version %s, header %s", errWrong, said, a.version)
	}
	return a
}

// metadata is what a request says about freshness.
func (w want) metadata() map[string]string {
	m := map[string]string{}
	if w.version != dataset.None && (w.typed || w.how == get) { // else the message says it
		m["holdfast-version"] = w.version.String()
	}
	if w.min != dataset.None {
		m["holdfast-min-version"] = w.min.String()
	}
	if w.maxAge >= 0 {
		m["holdfast-max-staleness"] = w.maxAge.String()
	}
	if w.session != nil {
		m["holdfast-session"] = w.session.id
	}
	return m
}

// errWrong says that an answer contradicts itself.
var errWrong = errors.New("wrong answer")

// read reads the header of an answer.
func (a *answer) read(header metadata.MD) (err error) {
	one := func(key string) string {
		if v := header.Get(key); len(v) == 1 {
			return v[0]
		}
		return ""
	}
	if len(header.Get("holdfast-version")) == 0 {
		if a.err == nil {
			return fmt.Errorf("%w: the answer names no version: %v", errWrong, header)
		}
		return nil
	}
	ms, err := strconv.ParseInt(one("holdfast-age-ms"), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: age: %w", errWrong, err)
	}
	a.age, a.state = time.Duration(ms)*time.Millisecond, one("holdfast-state")
	if a.version, err = dataset.ParseVersion(one("holdfast-version")); err != nil {
		return fmt.Errorf("%w: version: %w", errWrong, err)
	}
	if text := one("holdfast-announced-version"); text != "" && text != dataset.None.String() {
		if a.announced, err = dataset.ParseVersion(text); err != nil {
			return fmt.Errorf("%w: announced version: %w", errWrong, err)
		}
	}
	return nil
}

// keys are the keys of a batch: each record's, and one that is not there.
func keys() (all []string) {
	for i := range records + 1 {
		all = append(all, fmt.Sprint("r", i))
	}
	return all
}

// askTyped calls the typed service as a client with stubs does.
func (f *fleet) askTyped(ctx context.Context, w want, a *answer) (header metadata.MD, err error) {
	m := f.service.Methods().Get(w.how)
	method := fmt.Sprintf("/%s/%s", f.service.FullName(), m.Name())
	in := dynamicpb.NewMessage(m.Input())
	var text []byte
	switch w.how {
	case get:
		text = fmt.Appendf(nil, `{"id":"r%d"}`, w.id)
	case batch:
		var keyed []map[string]string
		for _, key := range keys() {
			keyed = append(keyed, map[string]string{"id": key})
		}
		text, err = json.Marshal(map[string]any{"keys": keyed})
	default:
		text = []byte(`{}`)
	}
	if err := errors.Join(err, protojson.Unmarshal(text, in)); err != nil {
		return nil, err
	}
	conn := f.all[w.sidecar].conn
	if w.how == list {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			err = errors.Join(stream.SendMsg(in), stream.CloseSend())
		}
		if err != nil {
			return nil, err
		}
		return a.receive(stream, func() (string, error) {
			out := dynamicpb.NewMessage(m.Output())
			err := stream.RecvMsg(out)
			return asJSON(out), err
		})
	}
	out := dynamicpb.NewMessage(m.Output())
	if err := conn.Invoke(ctx, method, in, out, grpc.Header(&header)); err != nil {
		return header, err
	}
	if w.how == get {
		return header, a.add(asJSON(out))
	}
	var results struct {
		Results []struct{ Record json.RawMessage }
	}
	if err := json.Unmarshal([]byte(asJSON(out)), &results); err != nil {
		return header, err
	}
	for _, r := range results.Results {
		if err := a.add(string(r.Record)); err != nil {
			return header, err
		}
	}
	return header, nil
}

// receive reads a stream of records.
func (a *answer) receive(stream grpc.ClientStream, next func() (string, error)) (metadata.MD, error) {
	for {
		text, err := next()
		if errors.Is(err, io.EOF) {
			err = nil
			header, failed := stream.Header()
			return header, errors.Join(err, failed)
		}
		if err == nil {
			err = a.add(text)
		}
		if err != nil {
			header, _ := stream.Header() // err says why
			return header, err
		}
	}
}

// add adds a record to an answer; an empty text is one that is not there.
func (a *answer) add(text string) error {
	var r record
	if text != "" {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return fmt.Errorf("%w: record %q: %w", errWrong, text, err)
		}
	}
	a.records = append(a.records, r)
	return nil
}

// askGeneric calls the generic service.
func (f *fleet) askGeneric(ctx context.Context, w want, a *answer) (header metadata.MD, said string, err error) {
	c := holdfastv1.NewLookupClient(f.all[w.sidecar].conn)
	version := ""
	if w.version != dataset.None && w.how != get {
		version = w.version.String()
	}
	switch w.how {
	case get:
		out, err := c.Get(ctx, &holdfastv1.GetRequest{Dataset: string(items), Key: []string{fmt.Sprint("r", w.id)}}, grpc.Header(&header))
		if err != nil {
			return header, "", err
		}
		return header, out.GetVersion(), f.addRecord(a, out.GetRecord())
	case batch:
		in := &holdfastv1.BatchGetRequest{Dataset: string(items), Version: version}
		for _, key := range keys() {
			in.Keys = append(in.Keys, &holdfastv1.Key{Values: []string{key}})
		}
		out, err := c.BatchGet(ctx, in, grpc.Header(&header))
		for _, r := range out.GetResults() {
			err = errors.Join(err, f.addRecord(a, r.GetRecord()))
		}
		return header, out.GetVersion(), err
	}
	stream, err := c.List(ctx, &holdfastv1.ListRequest{Dataset: string(items), Version: version})
	if err != nil {
		return nil, "", err
	}
	header, err = a.receive(stream, func() (string, error) {
		r, err := stream.Recv()
		return r.GetJson(), err
	})
	return header, "", err
}

// addRecord adds a record, whose forms must say the same.
func (f *fleet) addRecord(a *answer, r *holdfastv1.Record) error {
	if r != nil {
		m := dynamicpb.NewMessage(f.service.Methods().Get(get).Output())
		if err := proto.Unmarshal(r.GetMessage(), m); err != nil {
			return fmt.Errorf("%w: record: %w", errWrong, err)
		}
		var b answer
		if err := errors.Join(b.add(asJSON(m)), b.add(r.GetJson())); err != nil || b.records[0] != b.records[1] {
			return fmt.Errorf("%w: a record is %s, and as JSON %s, %w", errWrong, asJSON(m), r.GetJson(), err)
		}
	}
	return a.add(r.GetJson())
}

// asJSON returns a message as JSON.
func asJSON(m proto.Message) string {
	b, _ := protojson.Marshal(m) // a message of texts and numbers has one
	return string(b)
}
