package protomap

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestDeriveReadsGolden derives a declaration for every golden dataset with a
// root type and prints its records with it.
func TestDeriveReadsGolden(t *testing.T) {
	read := 0
	for _, c := range golden.Cases(t) {
		for name, data := range c.Files {
			if !strings.HasPrefix(name, "snapshot-") {
				continue
			}
			s, err := state.ReadSnapshot(data, state.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			root, err := diff.RootType(s)
			if err != nil {
				continue
			}
			m, err := Derived(s.Schemas(), root)
			if err != nil {
				text, _ := Derive(s.Schemas(), root)
				t.Errorf("%s %s: %v\n%s", c.Name, name, err, text)
				continue
			}
			for o := range s.Type(root).Ordinals() {
				if _, err := m.JSON(s.Type(root).Record(o)); err != nil {
					t.Errorf("%s %s: ordinal %d: %v", c.Name, name, o, err)
					break
				}
				read++
			}
		}
	}
	if read < 500 {
		t.Errorf("only %d records were read", read)
	}
}

const oddSchemas = `
Root @PrimaryKey(id, owner.name) {
	int id;
	Owner owner;
	string foo_bar;
	boolean fooBar;
	float foo_Bar;
	Names names;
	Matrix matrix;
	Prices prices;
	ByFlag byFlag;
	ByRatio byRatio;
	ByOwner byOwner;
	Deep deep;
	Price Price;
	PricesEntry entry;
	Self self;
	string message;
	Absent absent;
	ListOfAbsent absents;
	Wrapped wrapped;
	option opt;
}
Owner { Name name; }
Name { string value; }
Names Set<Name>;
Flag { boolean value; }
Ratio { double value; }
Price { long cents; bytes raw; }
PricesEntry { long a; long b; }
Prices Map<Name, Price>;
ByFlag Map<Flag, Names>;
ByRatio Map<Ratio, Ratio>;
ByOwner Map<PricesEntry, Prices>;
Row List<Ratio>;
Matrix List<Row>;
Deep List<Matrix>;
Self List<Self>;
ListOfAbsent List<Absent>;
Wrapped { Names only; }
option { int a; int b; }
Row-1 { int a; }
`

// odd parses the schemas; the type that text cannot name gets its name here.
func odd(t *testing.T) map[string]*state.Schema {
	t.Helper()
	list, err := state.ParseSchemas(strings.Replace(oddSchemas, "Row-1", "RowElements", 1))
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*state.Schema{}
	for _, s := range list {
		schemas[s.Name] = s
	}
	return schemas
}

// TestDeriveOddNames derives a declaration where names collide: with each
// other, with words of the language, and with what the declaration needs.
func TestDeriveOddNames(t *testing.T) {
	schemas := odd(t)
	schemas["Root"].Fields = append(schemas["Root"].Fields,
		state.Field{Name: "no-name", Type: state.Int},
		state.Field{Name: "dash", Type: state.Reference, Ref: "My-Type"},
		state.Field{Name: "under", Type: state.Reference, Ref: "My_Type"},
		state.Field{Name: "rows", Type: state.Reference, Ref: "RowElements"},
		state.Field{Name: "Prices", Type: state.Reference, Ref: "Prices"},
		state.Field{Name: "PricesEntry", Type: state.Int},
	)
	pair := []state.Field{{Name: "a", Type: state.Int}, {Name: "b", Type: state.Int}}
	for _, name := range []string{"My-Type", "My_Type"} {
		schemas[name] = &state.Schema{Name: name, Kind: state.Object, Fields: pair}
	}
	schemas["RowElements"].Fields = pair
	text, err := Derive(schemas, "Root")
	if err != nil {
		t.Fatal(err)
	}
	m, err := compile(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, want := range []string{
		`option (holdfast.v1.dataset) = {key: ["id", "owner"]};`,
		"optional int32 id = 1;", "optional string owner = 2;", "// Field 4, fooBar, has the JSON name of field foo_bar.", "// Field 5, foo_Bar, has",
		"repeated string names = 6;", "repeated RowElements_ matrix = 7;", "map<string, Price> prices = 8;",
		"map<bool, NamesElements> byFlag = 9;", "repeated ByRatioEntry byRatio = 10;", "repeated ByOwnerEntry byOwner = 11;",
		"  Price Price = 13;", "  .PricesEntry entry = 14;", "repeated SelfElements self = 15;", "optional string message = 16;",
		"// Field 17, absent, refers to type Absent, which is not loaded.", "// Field 18, absents, refers to type ListOfAbsent",
		"  Wrapped wrapped = 19;", "  option_ opt = 20;", `// Field 21, "no-name", has no name that protobuf allows.`,
		"  My_Type_ dash = 22;", "  My_Type under = 23;", "  RowElements rows = 24;",
		"// Field 25, Prices, and field prices need the same name,", "// Field 26, PricesEntry, and field prices need",
		"message RowElements_ {\n  repeated double elements = 1;\n}", "message ByRatioEntry {\n  double key = 1;\n  double value = 2;\n}",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q", want)
		}
	}
	file, err := Redeclare(m, "odd")
	if err != nil {
		t.Fatal(err)
	}
	source, err := Source(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseFile(source); err != nil {
		t.Errorf("redeclared: %v in\n%s", err, source)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestDeriveReads reads a record of every odd type by the derived declaration.
func TestDeriveReads(t *testing.T) {
	schemas := odd(t)
	root := schemas["Root"]
	root.Fields = append(root.Fields[:16], root.Fields[18:]...) // those that are there
	delete(schemas, "ListOfAbsent")
	b, err := state.NewBuilder(nil, slices.Collect(maps.Values(schemas)))
	if err != nil {
		t.Fatal(err)
	}
	add := func(o state.Ordinal, err error) state.Ordinal {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	object := func(typ string, values ...state.Value) state.Value {
		return state.ReferenceValue(add(b.AddObject(typ, values)))
	}
	list := func(typ string, of ...state.Value) state.Value {
		return state.ReferenceValue(add(b.AddList(typ, ordinals(of))))
	}
	maps := func(typ string, key, value state.Value) state.Value {
		return state.ReferenceValue(add(b.AddMap(typ, []state.Entry{{Key: key.Reference(), Value: value.Reference()}})))
	}
	name := object("Name", state.StringValue("n"))
	names := state.ReferenceValue(add(b.AddSet("Names", ordinals([]state.Value{object("Name", state.StringValue("z")), name}))))
	ratio := object("Ratio", state.DoubleValue(0.5))
	matrix := list("Matrix", list("Row", ratio, ratio), list("Row"))
	price := object("Price", state.LongValue(7), state.Null())
	prices := maps("Prices", name, price)
	pair := object("PricesEntry", state.LongValue(1), state.LongValue(2))
	o := add(b.AddObject("Root", []state.Value{
		state.IntValue(1), object("Owner", name), state.Null(), state.BoolValue(false), state.FloatValue(1.5), names, matrix, prices,
		maps("ByFlag", object("Flag", state.BoolValue(true)), names), maps("ByRatio", ratio, ratio), maps("ByOwner", pair, prices),
		list("Deep", matrix), price, pair, list("Self", list("Self")), state.StringValue("m"),
		object("Wrapped", names), object("option", state.IntValue(0), state.Null()),
	}))
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Derived(s.Schemas(), "Root")
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.JSON(s.Type("Root").Record(o))
	want := `{"id":1,"owner":"n","names":["n","z"],` +
		`"matrix":[{"elements":[0.5,0.5]},{"elements":[]}],"prices":{"n":{"cents":"7"}},` +
		`"byFlag":{"true":{"elements":["n","z"]}},"byRatio":[{"key":0.5,"value":0.5}],` +
		`"byOwner":[{"key":{"a":"1","b":"2"},"value":{"elements":{"n":{"cents":"7"}}}}],` +
		`"deep":[{"elements":[{"elements":[0.5,0.5]},{"elements":[]}]}],"Price":{"cents":"7"},"entry":{"a":"1","b":"2"},` +
		`"self":[{"elements":[]}],"message":"m","wrapped":{"only":["n","z"]},"opt":{"a":0}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
}

func ordinals(values []state.Value) []state.Ordinal {
	var out []state.Ordinal
	for _, v := range values {
		out = append(out, v.Reference())
	}
	return out
}

// TestDeriveRefuses holds datasets that have no declaration to their errors.
func TestDeriveRefuses(t *testing.T) {
	list, err := state.ParseSchemas(`A @PrimaryKey(x) { X x; } X { float y; int z; } B { int a; } F @PrimaryKey(x) { double x; int y; } C List<B>; D @PrimaryKey(gone) { int a; }`)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*state.Schema{}
	for _, s := range list {
		schemas[s.Name] = s
	}
	for _, root := range []string{"A", "B", "C", "D", "E"} {
		if _, err := Derived(schemas, root); !errors.Is(err, ErrBadKey) {
			t.Errorf("root %s: %v, want ErrBadKey", root, err)
		}
	}
	m, err := Derived(schemas, "F") // a key that Java allows
	if err != nil {
		t.Fatal(err)
	}
	if key, err := m.Key([]string{"0.1"}); err != nil || !key[0].Equal(state.DoubleValue(0.1)) {
		t.Errorf("key %v (%v)", key, err)
	}
}
