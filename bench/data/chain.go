package data

import (
	"encoding/binary"

	"github.com/holdfast-data/holdfast/bench/neutral"
)

// Rates are how much the cycles of a standard chain change, in parts per
// million, in order.
var Rates = []int{
	100, 100, 100, 100, 100, 1000, 1000, 1000, 1000, 1000,
	10_000, 10_000, 10_000, 10_000, 10_000, 100_000, 100_000, 100_000,
}

// A Chain makes the changes of cycle after cycle.
type Chain struct {
	source  Source
	seed    uint64
	cycle   int
	changes []uint16 // so far, by record
	alive   []int32  // records that are in the dataset, in any order
}

// NewChain begins with the base.
func NewChain(s Source, seed uint64) *Chain {
	c := &Chain{source: s, seed: seed, changes: make([]uint16, s.Len()), alive: make([]int32, s.Len())}
	for i := range c.alive {
		c.alive[i] = int32(i)
	}
	return c
}

// Len returns the number of records that are in the dataset.
func (c *Chain) Len() int { return len(c.alive) }

// Next makes the changes of a cycle, as the bodies of frames: ppm parts in a
// million of the base's records are changed, and a twentieth as many added and
// removed, each at least one. No record occurs twice.
func (c *Chain) Next(ppm int) [][]byte {
	c.cycle++
	r := random(c.seed, 7, uint64(c.cycle))
	changed := max(1, c.source.Len()*ppm/1_000_000)
	others := max(1, changed/20)
	for k := range changed + others {
		j := k + r.IntN(len(c.alive)-k)
		c.alive[k], c.alive[j] = c.alive[j], c.alive[k]
	}
	var frames [][]byte
	for _, i := range c.alive[:others] {
		frames = append(frames, binary.AppendVarint([]byte{neutral.Delete}, c.source.ID(int(i))))
	}
	for _, i := range c.alive[others : others+changed] {
		c.changes[i]++
		frames = append(frames, c.source.Append([]byte{neutral.Upsert}, int(i), int(c.changes[i])))
	}
	for k := range others { // an added record takes the place of a removed one
		i := len(c.changes)
		c.changes = append(c.changes, 0)
		c.alive[k] = int32(i)
		frames = append(frames, c.source.Append([]byte{neutral.Upsert}, i, 0))
	}
	return frames
}
