package producer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

const source = `syntax = "proto3";
package t;
import "holdfast/v1/options.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id", "part"]};
  string id = 1;
  string part = 2;
  int64 count = 3;
  double ratio = 4;
  repeated string tags = 5;
  map<string, int32> sizes = 6;
  optional int32 small = 7;
  Color color = 8;
  enum Color { NONE = 0; RED = 1; }
}
`

func config(t testing.TB, store blob.Store) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "item.proto")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := protomap.Compile(t.Context(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Mapping, cfg.Author = "items", store, m, announce.Author{Name: "test"}
	return cfg
}

func texts(list ...string) []File {
	var out []File
	for i, text := range list {
		out = append(out, File{Name: fmt.Sprintf("f%d", i+1), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text)), nil
		}})
	}
	return out
}

func zip(members ...string) string {
	var b bytes.Buffer
	for _, m := range members {
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(m)) // a bytes.Buffer takes all
		_ = w.Close()
	}
	return b.String()
}

const good = `{"id":"a","part":"1","count":"9007199254740993"}` + "\n" + `{"id":"b","part":"1"}` + "\n"

func TestPublishAccepts(t *testing.T) {
	long := `{"id":"a","part":"` + strings.Repeat("x", 200_000) + `"}`
	for name, files := range map[string][]File{
		"plain":               texts(good),
		"byte-order mark":     texts("\xef\xbb\xbf" + good),
		"CRLF":                texts(strings.ReplaceAll(good, "\n", "\r\n")),
		"blank lines":         texts("\n\n" + good + "  \n\n"),
		"no last newline":     texts(strings.TrimSuffix(good, "\n")),
		"gzip":                texts(zip(good)),
		"gzip of two members": texts(zip(good[:20], good[20:])),
		"gzip of a BOM":       texts(zip("\xef\xbb\xbf" + good)),
		"two files":           texts(`{"id":"a","part":"1"}`, zip(`{"id":"b","part":"1"}`)),
		"long line":           texts(long + "\n" + `{"id":"b","part":""}`),
		"keys that join":      texts(`{"id":"ab","part":"c"}` + "\n" + `{"id":"a","part":"bc"}`),
	} {
		cfg := config(t, blob.NewMemory())
		cfg.Files = files
		r, err := Publish(t.Context(), cfg)
		if err != nil || r.Records != 2 || r.Added != 2 || !r.Published {
			t.Errorf("%s: %+v, error %v", name, r, err)
		}
	}
}

func TestPublishRefuses(t *testing.T) {
	ok := `{"id":"a","part":"1"}` + "\n"
	for _, tc := range []struct {
		name  string
		text  string
		want  error
		words []string // what the message must say
	}{
		{"empty", "", ErrEmpty, []string{"f1"}},
		{"only blank lines", "\n \n", ErrEmpty, nil},
		{"empty gzip", zip(""), ErrEmpty, nil},
		{"cut last line", ok + `{"id":"b","pa`, protomap.ErrNotRecord, []string{"f1:2"}},
		{"cut gzip", zip(good)[:len(zip(good))-6], ErrTruncated, []string{"f1"}},
		{"damaged gzip", zip(good)[:len(zip(good))-1] + "x", ErrTruncated, nil},
		{"garbage in gzip", zip(good)[:10] + "\xff\xff\xff", ErrTruncated, []string{"f1"}},
		{"two values", ok + `{"id":"b","part":"1"}{"id":"c","part":"1"}`, protomap.ErrNotRecord, []string{"f1:2"}},
		{"two values apart", `{"id":"b","part":"1"} {"id":"c","part":"1"}`, protomap.ErrNotRecord, []string{"f1:1", "more than one JSON value", "one object a line"}},
		{"comma at the end", `{"id":"b","part":"1"},`, protomap.ErrNotRecord, []string{"f1:1", "more than one JSON value"}},
		{"UTF-16", "\xff\xfe{\x00", ErrFormat, []string{"f1", "UTF-16", "iconv -f UTF-16 -t UTF-8"}},
		{"UTF-16, big-endian", "\xfe\xff\x00{", ErrFormat, []string{"iconv -f UTF-16 -t UTF-8"}},
		{"UTF-16 without a mark", "{\x00\"\x00", ErrFormat, []string{"iconv -f UTF-16LE"}},
		{"UTF-16BE without a mark", "\x00{\x00\"", ErrFormat, []string{"iconv -f UTF-16BE"}},
		{"UTF-32", "\xff\xfe\x00\x00{\x00\x00\x00", ErrFormat, []string{"UTF-32"}},
		{"zip", "PK\x03\x04\x14\x00", ErrFormat, []string{"zip archive", "unzip -p"}},
		{"zstd", "\x28\xb5\x2f\xfd\x04", ErrFormat, []string{"zstd -dc"}},
		{"xz", "\xfd7zXZ\x00", ErrFormat, []string{"xz -dc"}},
		{"bzip2", "BZh91AY", ErrFormat, []string{"bzip2 -dc"}},
		{"gzip twice", zip(zip(good)), ErrFormat, []string{"gzip twice"}},
		{"tar in gzip", zip("name" + strings.Repeat("\x00", 253) + "ustar\x0000"), ErrFormat, []string{"tar -xO"}},
		{"escape sequence", "{\"\u009b31m\":1}", protomap.ErrNotRecord, []string{`\u009b31m`}},
		{"bytes", "\x7fELF\x02", protomap.ErrNotRecord, []string{"f1:1", `\x7f`}},
		{"array", `[` + strings.TrimSpace(ok) + `]`, protomap.ErrNotRecord, []string{"one object a line"}},
		{"duplicate member", `{"id":"b","id":"c","part":"1"}`, protomap.ErrNotRecord, []string{"f1:1", "id"}},
		{"duplicate map key", `{"id":"b","part":"1","sizes":{"x":1,"x":2}}`, protomap.ErrNotRecord, []string{"f1:1"}},
		{"unknown field", `{"id":"b","part":"1","colour":1}`, protomap.ErrNotRecord, []string{"colour"}},
		{"wrong type", `{"id":"b","part":"1","count":"x"}`, protomap.ErrNotRecord, []string{"count"}},
		{"missing key field", `{"id":"b"}`, protomap.ErrMissingKey, []string{"f1:1", "part"}},
		{"null key field", `{"id":null,"part":"x"}`, protomap.ErrMissingKey, []string{"id"}},
		{"null in a list", `{"id":"b","part":"1","tags":[null]}`, protomap.ErrNotRecord, []string{"f1:1"}},
		{"null as a map value", `{"id":"b","part":"1","sizes":{"x":null}}`, protomap.ErrNotRecord, []string{"f1:1"}},
		{"key twice", ok + `{"id":"b","part":"1"}` + "\n" + ok, ErrDuplicate, []string{"f1:3", "f1:1"}},
		{"lone surrogate", `{"id":"\ud800","part":"1"}`, protomap.ErrNotRecord, []string{"f1:1"}},
		{"ill-formed UTF-8", "{\"id\":\"\xc3\",\"part\":\"1\"}", protomap.ErrNotRecord, []string{"f1:1"}},
		{"LONG -2^63", `{"id":"b","part":"1","count":"-9223372036854775808"}`, state.ErrNotStorable, []string{"count"}},
		{"INT -2^31", `{"id":"b","part":"1","small":-2147483648}`, state.ErrNotStorable, []string{"small"}},
		{"NaN", `{"id":"b","part":"1","ratio":"NaN"}`, state.ErrNotStorable, []string{"ratio"}},
		{"unnamed enum", `{"id":"b","part":"1","color":7}`, protomap.ErrUnnamedEnum, []string{"color"}},
		{"not JSON", "hello", protomap.ErrNotRecord, []string{"f1:1"}},
	} {
		store := blob.NewMemory()
		cfg := config(t, store)
		cfg.Files = texts(good)
		first, err := Publish(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Files = texts(tc.text)
		_, err = Publish(t.Context(), cfg)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: error %v, want %v", tc.name, err, tc.want)
			continue
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: error %q has what cannot be printed", tc.name, err)
		}
		for _, word := range tc.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error %q does not name %q", tc.name, err, word)
			}
		}
		r := replica.DefaultConfig()
		r.Dataset, r.Store = "items", store
		x := replica.Open(r)
		if err := x.Refresh(t.Context()); err != nil || x.Current().Version() != first.Version {
			t.Errorf("%s: the last good version is not served: %v", tc.name, err)
		}
	}
}

// TestPublishTooLarge refuses a record that no look-up could answer.
func TestPublishTooLarge(t *testing.T) {
	cfg := config(t, blob.NewMemory())
	cfg.MaxLine = 100 << 20
	cfg.Files = texts(good + `{"id":"c","part":"1","tags":["` + strings.Repeat("x", 64<<20) + `"]}`)
	_, err := Publish(t.Context(), cfg)
	if want := "read f1:3: "; !errors.Is(err, protomap.ErrTooLarge) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "at most 67108864 bytes can be answered, this has 67108") {
		t.Errorf("error %v, want %s…", err, want)
	}
}

// TestPublishNoAuthor writes nothing in nobody's name.
func TestPublishNoAuthor(t *testing.T) {
	store := blob.NewMemory()
	cfg := config(t, store)
	cfg.Files, cfg.Author.Name = texts(good), ""
	_, err := Publish(t.Context(), cfg)
	list, listErr := store.List(t.Context(), "")
	if !errors.Is(err, ErrNoAuthor) || listErr != nil || len(list) > 0 {
		t.Errorf("error %v; the store has %v, error %v", err, list, listErr)
	}
}

func TestPublishLineLimit(t *testing.T) {
	cfg := config(t, blob.NewMemory())
	line := `{"id":"a","part":"1"}`
	cfg.Files, cfg.MaxLine = texts(line+"\n"), len(line)
	if _, err := Publish(t.Context(), cfg); err != nil {
		t.Errorf("line as long as the limit: %v", err)
	}
	cfg.MaxLine = math.MaxInt
	if _, err := Publish(t.Context(), cfg); err != nil {
		t.Errorf("no limit: %v", err)
	}
	cfg.MaxLine = len(line) - 1
	if _, err := Publish(t.Context(), cfg); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("line longer than the limit: %v", err)
	}
}

func TestPublishCounts(t *testing.T) {
	cfg := config(t, blob.NewMemory())
	cfg.Files = texts(`{"id":"a","part":"1","count":1}` + "\n" + `{"id":"b","part":"1"}` + "\n" + `{"id":"c","part":"1"}`)
	first, err := Publish(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Publish(t.Context(), cfg)
	if err != nil || same.Published || same.Version != first.Version || same.Unchanged != 3 {
		t.Errorf("unchanged source: %+v, error %v", same, err)
	}
	cfg.Files = texts(`{"id":"a","part":"1","count":2}` + "\n" + `{"id":"b","part":"1"}` + "\n" + `{"id":"d","part":"1"}`)
	second, err := Publish(t.Context(), cfg)
	if err != nil || second.Added != 1 || second.Removed != 1 || second.Changed != 1 || second.Unchanged != 1 || second.Previous != first.Version {
		t.Errorf("changed source: %+v, error %v", second, err)
	}
	cfg.Files = texts(`{"id":"a","part":"1","count":2}`)
	if _, err := Publish(t.Context(), cfg); !errors.Is(err, ErrTooManyRemoved) {
		t.Errorf("2 of 3 removed: error %v", err)
	}
	cfg.MaxRemoved = 0.7
	if r, err := Publish(t.Context(), cfg); err != nil || r.Removed != 2 {
		t.Errorf("2 of 3 removed with a higher limit: %+v, error %v", r, err)
	}
}

// TestPublishConcurrently lets publishers fight over one dataset: every
// version that was announced is in one chain.
func TestPublishConcurrently(t *testing.T) {
	store := blob.NewMemory()
	const n = 4
	done := make(chan error, n)
	for i := range n {
		cfg := config(t, store)
		cfg.Files = texts(fmt.Sprintf(`{"id":"a","part":"1","count":%d}`, i))
		go func() {
			_, err := Publish(t.Context(), cfg)
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	v, err := replica.Verify(t.Context(), store, "items", nil)
	if err != nil || v.Versions != n || len(v.Problems) > 0 {
		t.Errorf("verification %+v, error %v", v, err)
	}
}

func TestPublishRefusesUnderClaim(t *testing.T) {
	store := blob.NewMemory()
	cfg := config(t, store)
	cfg.Files = texts(good)
	other := announce.Open(store, "items")
	if _, err := other.Claim(t.Context(), announce.Author{Name: "other"}, "other", false); err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(t.Context(), cfg); !errors.Is(err, announce.ErrClaimed) {
		t.Errorf("error %v, want ErrClaimed", err)
	}
	cfg.Takeover = true
	if _, err := Publish(t.Context(), cfg); err != nil {
		t.Errorf("with takeover: %v", err)
	}
	cfg.Takeover, cfg.Files = false, texts(good+`{"id":"n","part":"1"}`)
	if _, err := Publish(t.Context(), cfg); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

// TestPublishRefusesBreakingSchemas keeps those who read with the old schema
// from misreading the new one, unless that is meant.
func TestPublishRefusesBreakingSchemas(t *testing.T) {
	cfg := config(t, blob.NewMemory())
	cfg.Files = texts(good)
	if _, err := Publish(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "item.proto")
	other := strings.Replace(source, "int64 count = 3;", "string count = 3;", 1)
	if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if cfg.Mapping, err = protomap.Compile(t.Context(), file, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(t.Context(), cfg); !errors.Is(err, ErrBreaking) || !strings.Contains(err.Error(), "count") {
		t.Errorf("another type: error %v, want ErrBreaking that names the field", err)
	}
	cfg.Breaking = true
	if r, err := Publish(t.Context(), cfg); err != nil || !r.Published {
		t.Errorf("another type, meant: %+v, error %v", r, err)
	}
}
