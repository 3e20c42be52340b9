package featuregate

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// lines returns the records of an edition's dataset as they are written.
func lines(t testing.TB, e Edition, n dataset.Name) [][]byte {
	t.Helper()
	r, file, err := e.Open(n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := io.Reader(r)
	if strings.HasSuffix(file, ".gz") {
		if text, err = gzip.NewReader(r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	var out [][]byte
	scan := bufio.NewScanner(text)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		out = append(out, []byte(scan.Text()))
	}
	if err := scan.Err(); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(out) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return out
}

// parse reads an edition's dataset as strictly as a producer does.
func parse[M any, P interface {
	*M
	proto.Message
}](t testing.TB, e Edition, n dataset.Name) []*M {
	t.Helper()
	var out []*M
	for i, line := range lines(t, e, n) {
		m := P(new(M))
		if err := protojson.Unmarshal(line, m); err != nil {
			t.Fatalf("edition %s: %s, line %d: %v", e.Name, n, i+1, err)
		}
		out = append(out, (*M)(m))
	}
	return out
}

func inputsOf(t testing.TB, e Edition) Inputs {
	t.Helper()
	return Inputs{
		Features: parse[pb.Feature](t, e, Features),
		Browsers: parse[pb.Browser](t, e, Browsers),
		Usage:    parse[pb.Usage](t, e, Usage),
	}
}

// TestRecordsSurvive reads every record strictly, writes it and compares what
// was written with the original. Equal lines are read once.
func TestRecordsSurvive(t *testing.T) {
	empty := map[dataset.Name]proto.Message{Features: &pb.Feature{}, Browsers: &pb.Browser{}, Usage: &pb.Usage{}}
	seen := map[string]bool{}
	for _, e := range allEditions(t) {
		for n, m := range empty {
			for i, line := range lines(t, e, n) {
				if seen[string(line)] {
					continue
				}
				seen[string(line)] = true
				if err := survive(line, m); err != nil {
					t.Errorf("edition %s: %s, line %d: %v", e.Name, n, i+1, err)
				}
			}
		}
	}
}

func survive(line []byte, m proto.Message) error {
	if err := protojson.Unmarshal(line, m); err != nil {
		return err
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	again := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, again); err != nil {
		return err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(again)
	if err != nil {
		return err
	}
	want, err := plain(line)
	if err != nil {
		return err
	}
	got, err := plain(text)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("is changed (-want +got):\n%s", cmp.Diff(want, got))
	}
	return nil
}

// plain reads JSON into maps, with numbers as they are written. Of versions
// without release it drops the date, and it takes dates as ProtoJSON writes
// them, as text.
func plain(text []byte) (map[string]any, error) {
	var out map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	versions, _ := out["versions"].([]any)
	for _, v := range versions {
		v := v.(map[string]any)
		switch at := v["released"].(type) {
		case nil:
			delete(v, "released")
		case json.Number:
			v["released"] = at.String()
		}
	}
	shares, _ := out["shares"].([]any)
	for _, s := range shares { // 1.0 and 1 are one number
		s := s.(map[string]any)
		percent, err := s["percent"].(json.Number).Float64()
		if err != nil {
			return nil, err
		}
		s["percent"] = percent
	}
	return out, nil
}

// TestMapping shows the root types that the datasets have.
func TestMapping(t *testing.T) {
	want := map[dataset.Name]string{
		Features: "Feature(id): id String, title String, description String, spec String, status String, " +
			"categories ListOfString, keywords ListOfString, support ListOfSupport, notes MapOfStringToString",
		Browsers: "Browser(id): id String, name String, long_name String, type String, versions ListOfBrowserVersion",
		Usage:    "Usage(region): region String, name String, month String, shares ListOfShare",
		Output: "Availability(feature,region): feature String, region String, full_percent DOUBLE, partial_percent DOUBLE, " +
			"total_percent DOUBLE, available BOOLEAN, reason String",
	}
	for n, want := range want {
		m, err := Mapping(n)
		if err != nil {
			t.Errorf("%s: %v", n, err)
			continue
		}
		for _, s := range m.Schemas() {
			if s.Name != m.Root() {
				continue
			}
			if got := describe(s); got != want {
				t.Errorf("%s is\n%s\nwant\n%s", n, got, want)
			}
		}
	}
}

func describe(s *state.Schema) string {
	var fields []string
	for _, f := range s.Fields {
		what := fmt.Sprint(f.Type)
		if f.Ref != "" {
			what = f.Ref
		}
		fields = append(fields, f.Name+" "+what)
	}
	return fmt.Sprintf("%s(%s): %s", s.Name, strings.Join(s.Key, ","), strings.Join(fields, ", "))
}

func TestUnknownDatasetHasNoSchema(t *testing.T) {
	if file, source := Schema("other"); file != "other.proto" || source != nil {
		t.Errorf("Schema(other) = %q, %q; want no source", file, source)
	}
	if _, err := Mapping("other"); err == nil {
		t.Error("Mapping(other) has no error")
	}
}
