package sidecar

import (
	"log/slog"
	"strings"
	"testing"
)

// TestFirstVersionIsLogged holds that a log of the usual level says once what is
// loaded of a dataset.
func TestFirstVersionIsLogged(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	first := p.publish(usage(3, 1)...)
	log := new(lines)
	s := startWith(t, testConfig(store, "usage"), Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	untilVersion(t, s, "usage", first)
	until(t, "the log", func() bool {
		return strings.Contains(log.String(), `msg="a dataset is loaded" dataset=usage version=`+first.String()+" records=3")
	})
	untilVersion(t, s, "usage", p.publish(usage(4, 2)...))
	if n := strings.Count(log.String(), "a dataset is loaded"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, log)
	}
}
