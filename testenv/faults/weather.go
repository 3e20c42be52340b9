package faults

import (
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
)

// weather says what goes wrong with the store.
type weather int

const (
	fair     weather = iota
	rough            // some of everything
	storm            // much of everything
	outage           // nothing is answered, though some is done
	mute             // no write of the log is answered
	full             // nothing can be written, and the store says so
	readOnly         // nothing can be written or deleted
	weathers
)

// String names the weather.
func (w weather) String() string {
	return [...]string{"fair", "rough", "storm", "outage", "mute log", "disk full", "read-only"}[w]
}

// kinds are the faults of a bad day.
var kinds = []blobtest.Fault{
	blobtest.Fail, blobtest.Lose, blobtest.Slow, blobtest.Cut, blobtest.Twice, blobtest.Stale, blobtest.Torn, blobtest.Full,
}

// decide says what becomes of an operation.
func (s *Scenario) decide(op blobtest.Op) blobtest.Fault {
	f := weather(s.weather.Load()).decide(op, s.random.IntN(100), kinds[s.random.IntN(len(kinds))])
	if f != blobtest.None {
		s.Counts.Faults++
	}
	return f
}

func (w weather) decide(op blobtest.Op, percent int, kind blobtest.Fault) blobtest.Fault {
	if kind == blobtest.Torn && (op.Verb != blobtest.Put || strings.Contains(op.Key, "/log/") || strings.Contains(op.Key, "/schemas/")) {
		kind = blobtest.Fail // a torn entry or schema needs a person
	}
	switch w {
	case rough:
		if percent < 5 {
			return kind
		}
	case storm:
		if percent < 30 {
			return kind
		}
	case outage:
		if percent < 30 {
			return blobtest.Lose
		}
		return blobtest.Fail
	case mute:
		if op.Verb == blobtest.Put && strings.Contains(op.Key, "/log/") {
			return []blobtest.Fault{blobtest.Fail, blobtest.Lose}[percent%2]
		}
	case full:
		if op.Verb == blobtest.Put {
			return blobtest.Full
		}
	case readOnly:
		switch op.Verb {
		case blobtest.Put:
			return blobtest.Full
		case blobtest.Delete:
			return blobtest.Fail
		}
	}
	return blobtest.None
}
