package data

import (
	"encoding/binary"

	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// flatKind is a record without references: about 40 bytes.
var flatKind = &Kind{
	Code: 2, Root: "Flat", add: addFlat,
	Schemas: "Flat @PrimaryKey(id) { long id; string sku; int category; long price; int stock; long updated; boolean active; }",
	Numbers: [3]string{"category", "price", "stock"}, Text: "sku", Scan: "stock",
	Hash: []Hash{{"category", "category", "Flat"}},
}

type flats struct {
	n    int
	seed uint64
}

func (f flats) Len() int { return f.n }

func (f flats) ID(i int) int64 { return movies.ID(i) }

func (f flats) Append(b []byte, i, changes int) []byte {
	r := random(f.seed, 4, uint64(i))
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	var sku [12]byte
	for k := range sku {
		sku[k] = letters[r.IntN(len(letters))]
	}
	category, price, stock := r.IntN(1000), 100+r.IntN(500_000), r.IntN(5000)
	updated, active := 1_700_000_000+r.IntN(30_000_000), r.IntN(8) != 0
	for k := range changes {
		r := random(f.seed, 5, uint64(i), uint64(k))
		stock, updated = r.IntN(5000), 1_730_000_000+r.IntN(30_000_000)
		if r.IntN(3) == 0 {
			price = 100 + r.IntN(500_000)
		}
	}
	b = binary.AppendVarint(b, f.ID(i))
	b = neutral.AppendText(b, string(sku[:]))
	for _, v := range []int{category, price, stock, updated} {
		b = binary.AppendVarint(b, int64(v))
	}
	return neutral.AppendBool(b, active)
}

func addFlat(a *Adder, c *neutral.Cursor) state.Ordinal {
	return a.object("Flat", state.LongValue(c.Int()), state.TextValue(c.Bytes()), state.IntValue(int32(c.Int())), state.LongValue(c.Int()),
		state.IntValue(int32(c.Int())), state.LongValue(c.Int()), state.BoolValue(c.Bool()))
}
