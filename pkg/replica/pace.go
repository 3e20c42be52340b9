package replica

import (
	"math/rand/v2"
	"time"
)

// The pace of a Replica's looks at the store.
const (
	hintInterval  = 100 * time.Millisecond // between two looks that hints cause
	wholeInterval = time.Minute            // between two looks for a gap in the log
)

// Everybody who hears of news wants the same blobs. Config.Jitter spreads a fleet
// of up to jitterMembers over some time; a larger one takes as much longer, but
// no hint waits longer than maxHintPause or half a poll.
const (
	jitterMembers = 10
	maxHintPause  = 2 * time.Second
)

// hintPause returns a random pause between a hint and the look that it causes.
func (cfg *Config) hintPause() time.Duration {
	most := cfg.Jitter
	if cfg.Members != nil {
		most = max(most, cfg.Jitter*time.Duration(cfg.Members())/jitterMembers)
	}
	return rand.N(max(min(most, maxHintPause, cfg.Poll/2), 0) + 1)
}

// startPause returns a random pause before the first look.
func (cfg *Config) startPause() time.Duration { return rand.N(cfg.StartJitter + 1) }

// pollPause returns a random pause between two polls, at most Poll: a replica is
// right within that time. After the first look it varies more, so that those
// that started together are apart from then on.
func (cfg *Config) pollPause(first bool) time.Duration {
	if first {
		return cfg.Poll - rand.N(cfg.Poll/2+1)
	}
	return cfg.Poll - rand.N(cfg.Poll/4+1)
}
