package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

const (
	// items is the dataset that is published.
	items = "items"
	// recordCount is how many records it has.
	recordCount = 1000
	// mark is the key of the record that every version changes: its count is the
	// number of the version, so that a look-up proves what it was read from.
	mark = "id-0000"
)

// schema declares the records.
const schema = `syntax = "proto3";
import "holdfast/v1/options.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id"]};
  string id = 1;
  int64 count = 2;
  string note = 3;
  repeated string tags = 4;
  map<string, int32> sizes = 5;
}
`

// item is one record, as JSON.
type item struct {
	ID    string           `json:"id"`
	Count int64            `json:"count"`
	Note  string           `json:"note"`
	Tags  []string         `json:"tags"`
	Sizes map[string]int32 `json:"sizes"`
}

// records are those of one version after the other.
type records struct {
	random *rand.Rand
	number int64
	all    []item
}

func newRecords(seed uint64) *records {
	r := &records{random: rand.New(rand.NewPCG(seed, recordCount))}
	for i := range recordCount {
		r.all = append(r.all, r.item(i))
	}
	return r
}

func (r *records) item(i int) item {
	x := item{ID: fmt.Sprintf("id-%04d", i), Count: r.random.Int64N(1_000_000), Note: fmt.Sprintf("note %x", r.random.Uint64()), Sizes: map[string]int32{}}
	for range r.random.IntN(4) {
		x.Tags = append(x.Tags, fmt.Sprintf("tag %d", r.random.IntN(500)))
		x.Sizes[fmt.Sprintf("size %d", r.random.IntN(50))] = r.random.Int32N(100)
	}
	return x
}

// next makes the next version: it changes 0.1 to 1 % of the records, the marked
// one among them, and returns which.
func (r *records) next() []int {
	r.number++
	changed := []int{0}
	for range r.random.IntN(recordCount / 100) {
		changed = append(changed, 1+r.random.IntN(recordCount-1))
	}
	for _, i := range changed {
		r.all[i] = r.item(i)
	}
	r.all[0].Count = r.number
	return changed
}

// line returns a record as a line of JSON.
func (r *records) line(i int) ([]byte, error) { return json.Marshal(r.all[i]) }

// text returns all records as JSON lines.
func (r *records) text() ([]byte, error) {
	var b bytes.Buffer
	for i := range r.all {
		line, err := r.line(i)
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}
