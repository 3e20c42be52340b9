package state

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

var updateDocs = flag.Bool("update", false, "rewrite the worked vectors in docs/format")

const checksumPage = "../../docs/format/checksum.md"

// checksumVector is one worked example of docs/format/checksum.md.
type checksumVector struct {
	what   string
	schema string
	build  func(b vectorBuilder) (typeName string, o Ordinal)
	raw    []byte // in place of build: the STRING of a record as a state holds it
}

type vectorBuilder struct {
	t *testing.T
	b *Builder
}

func (v vectorBuilder) object(name string, values ...Value) Ordinal {
	v.t.Helper()
	return v.ok(v.b.AddObject(name, values))
}

func (v vectorBuilder) ok(o Ordinal, err error) Ordinal {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	return o
}

var checksumVectors = []checksumVector{
	{"An INT: kind, type name, field name, tag, value", "N { int n; }",
		func(b vectorBuilder) (string, Ordinal) { return "N", b.object("N", IntValue(-2)) }, nil},
	{"Fields in order of name; null ones leave no trace", "P { string b; int c; long a; }",
		func(b vectorBuilder) (string, Ordinal) {
			return "P", b.object("P", StringValue("x"), Null(), LongValue(258))
		}, nil},
	{"BOOLEAN true and false", "B { boolean no; boolean yes; }",
		func(b vectorBuilder) (string, Ordinal) { return "B", b.object("B", BoolValue(false), BoolValue(true)) }, nil},
	{"FLOAT 1.5 and DOUBLE -0.0, by their bits", "F { float f; double d; }",
		func(b vectorBuilder) (string, Ordinal) {
			return "F", b.object("F", FloatValue(1.5), DoubleValue(math.Copysign(0, -1)))
		}, nil},
	{"STRING `Zoë 🎬`: its UTF-8", "S { string s; }",
		func(b vectorBuilder) (string, Ordinal) { return "S", b.object("S", StringValue("Zoë 🎬")) }, nil},
	{"STRING with an unpaired surrogate, `a` and U+D800: its UTF-16", "S { string s; }",
		nil, []byte{0xff, 'a', 0x83, 0xb0, 0x00}},
	{"BYTES and an empty STRING", "Y { bytes y; string s; }",
		func(b vectorBuilder) (string, Ordinal) {
			return "Y", b.object("Y", BytesValue([]byte{0xca, 0xfe}), StringValue(""))
		}, nil},
	{"REFERENCE to the record of the first vector: its hash", "N { int n; }\nR { N r; }",
		func(b vectorBuilder) (string, Ordinal) {
			return "R", b.object("R", ReferenceValue(b.object("N", IntValue(-2))))
		}, nil},
	{"LIST of N 1, N 2, N 1: hashes in order", "N { int n; }\nL List<N>;",
		func(b vectorBuilder) (string, Ordinal) {
			one, two := b.object("N", IntValue(1)), b.object("N", IntValue(2))
			return "L", b.ok(b.b.AddList("L", []Ordinal{one, two, one}))
		}, nil},
	{"SET of N 2, N 1: hashes in ascending order", "N { int n; }\nE Set<N>;",
		func(b vectorBuilder) (string, Ordinal) {
			one, two := b.object("N", IntValue(1)), b.object("N", IntValue(2))
			return "E", b.ok(b.b.AddSet("E", []Ordinal{two, one}))
		}, nil},
	{"MAP of N 1 to N 2 and N 2 to N 1: pairs of hashes in ascending order", "N { int n; }\nM Map<N,N>;",
		func(b vectorBuilder) (string, Ordinal) {
			one, two := b.object("N", IntValue(1)), b.object("N", IntValue(2))
			return "M", b.ok(b.b.AddMap("M", []Entry{{one, two}, {two, one}}))
		}, nil},
}

// state returns a state with the vector's record.
func (v checksumVector) state(t *testing.T, schemas []*Schema) (*State, string, Ordinal) {
	t.Helper()
	if v.raw != nil {
		typ, err := newType(schemas[0], 1).apply(typeChange{added: []Ordinal{0}, loader: func() pageLoader {
			return func(b *pageBuilder, _, _, _ int) error {
				b.setText(&b.texts[0], 0, v.raw, false)
				return nil
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return newState(Header{}, []*Type{typ}), schemas[0].Name, 0
	}
	b, err := NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	name, o := v.build(vectorBuilder{t, b})
	s, err := b.Finish(Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s, name, o
}

// append describes a vector as the page shows it.
func (v checksumVector) append(t *testing.T, text []byte, number int) []byte {
	t.Helper()
	schemas, err := ParseSchemas(v.schema)
	if err != nil {
		t.Fatal(err)
	}
	s, name, o := v.state(t, schemas)
	h := NewHasher(s)
	r := s.Type(name).Record(o)
	if _, err := h.write(h.types[r.t], r, 1); err != nil {
		t.Fatal(err)
	}
	bytes := append([]byte(nil), h.buf...)
	sum, err := NewHasher(s).Sum(r)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "%d. %s\n\n       schema  %s\n", number, v.what, strings.ReplaceAll(v.schema, "\n", "  "))
	for word := "bytes"; len(bytes) > 0; word = "" {
		n := min(32, len(bytes))
		text = fmt.Appendf(text, "       %-7s %x\n", word, bytes[:n])
		bytes = bytes[n:]
	}
	return fmt.Appendf(text, "       hash    %s\n\n", sum)
}

// appendSums describes checksums of whole states as the page shows them.
func appendSums(t *testing.T, text []byte, number int) []byte {
	t.Helper()
	for i, c := range []struct {
		what, schema string
		values       [][]Value
	}{
		{"no records: the start", "K @PrimaryKey(n) { int n; }", nil},
		{"two records of a type with a key", "K @PrimaryKey(n) { int n; }", [][]Value{{IntValue(1)}, {IntValue(2)}}},
	} {
		schemas, err := ParseSchemas(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range c.values {
			vectorBuilder{t, b}.object("K", values...)
		}
		s, err := b.Finish(Header{})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := s.Checksum()
		if err != nil {
			t.Fatal(err)
		}
		text = fmt.Appendf(text, "%d. Checksum of a state, %s\n\n       schema  %s\n", number+i, c.what, c.schema)
		h := NewHasher(s)
		for o := range s.Type("K").Ordinals() {
			d, err := h.Sum(s.Type("K").Record(o))
			if err != nil {
				t.Fatal(err)
			}
			text = fmt.Appendf(text, "       hash    %s\n", d)
		}
		text = fmt.Appendf(text, "       sum     %s\n       finger  %s\n\n", sum, s.Fingerprint())
	}
	return text
}

// TestChecksumPage holds the worked vectors of docs/format/checksum.md to the
// code; -update rewrites them.
func TestChecksumPage(t *testing.T) {
	var want []byte
	for i, v := range checksumVectors {
		want = v.append(t, want, i+1)
	}
	want = appendSums(t, want, len(checksumVectors)+1)
	page, err := os.ReadFile(checksumPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- vectors -->\n\n", "<!-- end of vectors -->\n"
	head, rest, ok := bytes.Cut(page, []byte(begin))
	got, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s has no line %q or %q", checksumPage, begin, end)
	}
	if *updateDocs {
		page = fmt.Appendf(nil, "%s%s%s%s%s", head, begin, want, end, tail)
		if err := os.WriteFile(checksumPage, page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the vectors of %s are not what the code yields; if the format did change, which it must not, run with -update. Got\n%s\nwant\n%s", checksumPage, got, want)
	}
}
