package state_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// unitVector has the members of all groups of hash-vectors.json.
type unitVector struct {
	Value      any    `json:"value"`
	Hex        string `json:"hex"`
	Hash       int32  `json:"hash"`
	Unsigned   any    `json:"unsigned"`
	Elements   uint64 `json:"elements"`
	Buckets    uint64 `json:"buckets"`
	Ordinals   []int32
	Widths     []int
	Values     []string
	DSL        string `json:"dsl"`
	Printed    string `json:"printed"`
	SchemaHash string `json:"schemaHash"`
	Key        []struct {
		T    string `json:"t"`
		V    any    `json:"v"`
		Bits string `json:"bits"`
	} `json:"key"`
}

func (v unitVector) int(t *testing.T) int64 {
	t.Helper()
	n, err := strconv.ParseInt(fmt.Sprint(v.Value), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (v unitVector) bytes(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// units returns the UTF-16 of a text, which may have unpaired surrogates.
func units(t *testing.T, text any) (out []uint16) {
	t.Helper()
	if s, ok := text.(string); ok {
		return utf16.Encode([]rune(s))
	}
	list := text.(map[string]any)["utf16"].(string)
	for ; list != ""; list = list[4:] {
		c, err := strconv.ParseUint(list[:4], 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, uint16(c))
	}
	return out
}

// fieldBytes returns the STRING data of a text as a blob has it.
func fieldBytes(units []uint16) (b []byte) {
	for _, c := range units {
		b = wire.AppendVint(b, int32(c))
	}
	return b
}

// vectorTests has a test for each group of hash-vectors.json but for those in
// otherVectors.
var vectorTests = map[string]func(t *testing.T, v unitVector) (got, want any){
	"varInt32": func(t *testing.T, v unitVector) (any, any) {
		r := wire.NewReader(v.bytes(t))
		return fmt.Sprintln(hex.EncodeToString(wire.AppendVint(nil, int32(v.int(t)))), r.Vint(), r.Err(), r.Len()),
			fmt.Sprintln(v.Hex, v.int(t), error(nil), 0)
	},
	"varInt64": func(t *testing.T, v unitVector) (any, any) {
		r := wire.NewReader(v.bytes(t))
		return fmt.Sprintln(hex.EncodeToString(wire.AppendVlong(nil, uint64(v.int(t)))), int64(r.Vlong()), r.Err(), r.Len()),
			fmt.Sprintln(v.Hex, v.int(t), error(nil), 0)
	},
	"zigZag32": func(t *testing.T, v unitVector) (any, any) {
		z := wire.ZigZag32(int32(v.int(t)))
		return fmt.Sprintln(z, wire.UnZigZag32(z)), fmt.Sprintln(v.Unsigned, v.int(t))
	},
	"zigZag64": func(t *testing.T, v unitVector) (any, any) {
		z := wire.ZigZag64(v.int(t))
		return fmt.Sprintln(z, wire.UnZigZag64(z)), fmt.Sprintln(v.Unsigned, v.int(t))
	},
	"modifiedUtf8": testModifiedUTF8,
	"stringFieldBytes": func(t *testing.T, v unitVector) (any, any) {
		text := wire.AppendText(nil, v.bytes(t))
		return fmt.Sprintf("%x %x", wire.AppendString(nil, text), wire.AppendUnits(nil, text)),
			fmt.Sprintf("%s %x", v.Hex, units(t, v.Value))
	},
	"murmurBytes":    func(t *testing.T, v unitVector) (any, any) { return wire.Murmur(v.bytes(t)), v.Hash },
	"murmurString":   func(t *testing.T, v unitVector) (any, any) { return wire.Murmur(fieldBytes(units(t, v.Value))), v.Hash },
	"javaStringHash": func(t *testing.T, v unitVector) (any, any) { return wire.JavaHash(units(t, v.Value)), v.Hash },
	"hashInt":        func(t *testing.T, v unitVector) (any, any) { return wire.HashInt(int32(v.int(t))), v.Hash },
	"hashLong":       func(t *testing.T, v unitVector) (any, any) { return wire.HashLong(v.int(t)), v.Hash },
	"hashTableSize":  func(_ *testing.T, v unitVector) (any, any) { return wire.TableSize(v.Elements), v.Buckets },
	"setMapKeyHash": func(t *testing.T, v unitVector) (any, any) {
		var key []state.Value
		for _, p := range v.Key {
			key = append(key, vectorValue(t, p.T, p.V, p.Bits))
		}
		h, ok := state.KeyHash(key)
		return fmt.Sprintln(h, ok), fmt.Sprintln(v.Hash, true)
	},
	"gapEncodedOrdinals": testGaps,
	"bitPacking":         testBitPacking,
	"schemas":            testSchemaVector,
}

// otherVectors says why a group has no test above.
var otherVectors = map[string]string{
	"badSchemas":               "TestBadSchemaVectors",
	"primaryKeyIndexFieldHash": "it is the hash of Java's own index in memory; ours has another one",
}

func testModifiedUTF8(t *testing.T, v unitVector) (got, want any) {
	text, ok := v.Value.(string)
	r := wire.NewReader(v.bytes(t))
	if !ok { // an unpaired surrogate: names of ours cannot have one
		return fmt.Sprintln(r.UTF(), r.Err() != nil), fmt.Sprintln("", true)
	}
	b, err := wire.AppendUTF(nil, text)
	return fmt.Sprintf("%x %v %q %v", b, err, r.UTF(), r.Err()), fmt.Sprintf("%s %v %q %v", v.Hex, error(nil), text, error(nil))
}

func testGaps(t *testing.T, v unitVector) (got, want any) {
	b := wire.AppendGaps(nil, v.Ordinals)
	n := wire.NewReader(b)
	if n.Vlong() != uint64(n.Len()) {
		t.Errorf("%v: the byte count is wrong in %x", v.Ordinals, b)
	}
	r := wire.NewReader(b)
	return fmt.Sprintf("%x %v %v", b[len(b)-n.Len():], r.Gaps(1<<30), r.Err()),
		fmt.Sprintf("%s %v %v", v.Hex, v.Ordinals, error(nil))
}

func testBitPacking(t *testing.T, v unitVector) (got, want any) {
	r := wire.NewReader(v.bytes(t))
	array := r.Array().Turn()
	var read []string
	var p bits.Packer
	p.Reset(array.Bits())
	pos, last := uint64(0), uint64(0)
	for i, w := range v.Widths {
		x := array.At(pos, w)
		read = append(read, strconv.FormatUint(x, 10))
		n, err := strconv.ParseUint(v.Values[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		p.Set(pos, w, n)
		last = pos + uint64(w)
		pos = last
	}
	words := p.Words()[:(last+63)/64]
	return fmt.Sprintf("%v %x", read, wire.AppendWords(nil, words)), fmt.Sprintf("%v %s", v.Values, v.Hex)
}

func testSchemaVector(t *testing.T, v unitVector) (got, want any) {
	schemas, err := state.ParseSchemas(v.DSL)
	if err != nil {
		t.Fatalf("%s: %v", v.DSL, err)
	}
	var printed strings.Builder
	for _, s := range schemas {
		fmt.Fprintln(&printed, s)
	}
	// The binary form stands in a header: version, two tags, an envelope and the
	// count before it, a skip of 0 and no tags after it.
	blob := append([]byte{0, 0, 4, 6}, make([]byte, 16)...)
	blob = append(wire.AppendVint(wire.AppendVint(blob, 1), int32(len(schemas))), v.bytes(t)...)
	_, read, err := state.ReadHeader(append(blob, 0, 0, 0))
	if err != nil {
		t.Fatalf("%s: %v", v.Hex, err)
	}
	same := len(read) == len(schemas)
	for i := range read {
		same = same && read[i].Equal(schemas[i])
	}
	return fmt.Sprintln(printed.String(), state.SchemaHash(schemas), same), fmt.Sprintln(v.Printed, v.SchemaHash, true)
}

func vectorValue(t *testing.T, typ string, v any, bitText string) state.Value {
	t.Helper()
	switch typ {
	case "BOOLEAN":
		return state.BoolValue(v.(bool))
	case "STRING":
		return state.RawStringValue(fieldBytes(units(t, v)))
	case "BYTES":
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			t.Fatal(err)
		}
		return state.BytesValue(b)
	case "FLOAT", "DOUBLE":
		n, err := strconv.ParseUint(bitText, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if typ == "FLOAT" {
			return state.FloatValue(math.Float32frombits(uint32(n)))
		}
		return state.DoubleValue(math.Float64frombits(n))
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	switch typ {
	case "INT":
		return state.IntValue(int32(n))
	case "LONG":
		return state.LongValue(n)
	}
	return state.ReferenceValue(state.Ordinal(n))
}

func vectorGroups(t *testing.T) map[string][]json.RawMessage {
	t.Helper()
	var groups map[string][]json.RawMessage
	if err := json.Unmarshal(golden.HashVectors(t), &groups); err != nil {
		t.Fatal(err)
	}
	return groups
}

func TestHashVectors(t *testing.T) {
	for name, list := range vectorGroups(t) {
		test := vectorTests[name]
		if test == nil {
			if otherVectors[name] == "" {
				t.Errorf("group %s has no test", name)
			}
			continue
		}
		for _, raw := range list {
			var v unitVector
			dec := json.NewDecoder(strings.NewReader(string(raw)))
			dec.UseNumber()
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, want := test(t, v); got != want {
				t.Errorf("%s %s:\n got %v\nwant %v", name, raw, got, want)
			}
		}
	}
}

func TestBadSchemaVectors(t *testing.T) {
	for _, raw := range vectorGroups(t)["badSchemas"] {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		if got, err := state.ParseSchemas(text); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		}
	}
}
