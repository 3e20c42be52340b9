package sidecar

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// list gives each record of what is read to send, at most limit of them unless
// it is 0. A send that blocks for too long, because the caller does not read,
// ends the call, and with it the stream; so a caller that stalls does not keep a
// version in memory. Nor do those that are slow keep many: the list ends, too,
// when too many newer versions are being listed.
func (s *Sidecar) list(r reading, limit uint64, send func(state.Record) error) error {
	limits := s.cfg.Limits
	records := uint64(r.view.Root().Len())
	if limit > 0 {
		records = min(records, limit)
	}
	if records > uint64(limits.MaxListRecords) {
		return fmt.Errorf("%w: the list has %d records, at most %d are allowed (limits.max_list_records)", errLimit, records, limits.MaxListRecords)
	}
	at, err := r.of.listed.enter(r.view, r.of.replica.Current())
	if err != nil {
		return err
	}
	defer r.of.listed.leave(at)
	var sent atomic.Uint64
	ended := make(chan error, 1)
	// The stream outlives this function only as far as a send that is stuck in
	// it: that fails as soon as the call has ended.
	go func() {
		err := errPanic // unless it returns
		defer func() {
			if p := recover(); p != nil {
				err = s.panicked("list", p)
			}
			ended <- err
		}()
		err = r.each(records, func(record state.Record) error {
			defer sent.Add(1)
			return send(record)
		})
	}()
	return awaitList(ended, at, &sent, limits)
}

// each calls f with the first n records.
func (r reading) each(n uint64, f func(state.Record) error) error {
	for o := range r.view.Root().Ordinals() {
		if n == 0 {
			return nil
		}
		n--
		if err := f(r.view.Root().Record(o)); err != nil {
			return err
		}
	}
	return nil
}

// awaitList waits for the end of a list that makes progress.
func awaitList(ended <-chan error, at *listing, sent *atomic.Uint64, limits Limits) error {
	tick := time.NewTicker(limits.MaxStall / 4)
	defer tick.Stop()
	end := time.NewTimer(limits.MaxListTime)
	defer end.Stop()
	before, still := uint64(0), 0
	for {
		select {
		case err := <-ended:
			return err
		case <-end.C:
			return fmt.Errorf("%w: the list takes longer than %s", errTooSlow, limits.MaxListTime)
		case <-at.over:
			return at.tooOld()
		case <-tick.C:
		}
		now := sent.Load()
		if still++; now != before {
			before, still = now, 0
		}
		if still >= 4 {
			return fmt.Errorf("%w: nothing for %s, after %d records", errTooSlow, limits.MaxStall, now)
		}
	}
}
