package protomap

import "testing"

// BenchmarkAppend encodes a record that has one of everything: 103 bytes out of
// 17 columns, 11 records that they refer to, and a SET and two MAPs to be put in
// order.
func BenchmarkAppend(b *testing.B) {
	m := rich(b)
	msg, err := m.ParseJSON([]byte(richRecord))
	if err != nil {
		b.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		b.Fatal(err)
	}
	var to []byte
	b.ReportAllocs()
	for b.Loop() {
		if to, err = m.Append(to[:0], records[0]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(to)))
}
