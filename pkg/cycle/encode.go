package cycle

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// Hollow's header tags that its tools and consumers read.
const (
	tagCycleStart   = "hollow.metric.cycle.start"
	tagSchemaHash   = "hollow.schema.hash"
	tagSchemaChange = "hollow.schema.changedFromPriorVersion"
	tagVersion      = "hollow.blob.to.version"
	tagCounter      = "hollow.delta.chain.version.counter"
)

// header returns the header of a version on top of base.
func (c *Cycle) header(base *state.State, m *blob.Manifest, now time.Time) state.Header {
	schemas := c.cfg.Mapping.Schemas()
	hash := strconv.Itoa(int(state.SchemaHash(schemas)))
	h := state.Header{Origin: -1, Tags: map[string]string{
		tagCycleStart: strconv.FormatInt(now.UnixMilli(), 10),
		tagSchemaHash: hash,
		tagVersion:    m.Version.String(),
		tagCounter:    "1",
	}}
	if base != nil {
		old := base.Header()
		h.Origin = old.Tag
		n, err := strconv.ParseInt(old.Tags[tagCounter], 10, 64)
		if err != nil {
			n = 0
		}
		h.Tags[tagCounter] = strconv.FormatInt(n+1, 10)
		if old.Tags[tagSchemaHash] != hash {
			h.Tags[tagSchemaChange] = "true"
		}
	}
	h.Tag = newTag(h.Origin)
	return h
}

// newTag returns a random state tag. As Hollow wants it, its upper half is
// neither all zeros nor all ones nor that of the state before.
func newTag(origin int64) int64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails
		tag := int64(binary.BigEndian.Uint64(b[:]))
		if upper := tag >> 32; upper != 0 && upper != -1 && upper != origin>>32 {
			return tag
		}
	}
}

// encode writes the blobs of a draft, all at the same time.
func (c *Cycle) encode(d *draft) error {
	t := state.Transition{Next: d.view.State}
	if d.prev != nil {
		t.Prev = d.prev.State
	}
	var whole, deltas errgroup.Group
	write := func(group *errgroup.Group, blob *[]byte, f func(io.Writer) error) {
		group.Go(func() error {
			var b bytes.Buffer
			err := f(&b)
			*blob = b.Bytes()
			return err
		})
	}
	write(&whole, &d.header, t.WriteHeader)
	if d.segment || c.since+1 >= c.cfg.SnapshotEvery {
		write(&whole, &d.snapshot, t.WriteSnapshot)
	}
	if d.prev != nil {
		write(&deltas, &d.delta, t.WriteDelta)
		write(&deltas, &d.reverse, t.WriteReverseDelta)
	}
	err, deltaErr := whole.Wait(), deltas.Wait()
	if errors.Is(deltaErr, state.ErrIncompatible) && d.segment {
		d.delta, d.reverse, deltaErr = nil, nil, nil // peers cross by snapshot
	}
	if err = errors.Join(err, deltaErr); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}
