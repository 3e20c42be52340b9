package sidecar

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// The histogram of a look-up's time has a bucket per power of two, from about
// a microsecond to 17 seconds; the last one has the rest.
const (
	firstBucket = 10 // of the bits of nanoseconds
	bucketCount = 25
	codeCount   = int(codes.Unauthenticated) + 1
	stripeCount = 8 // so that cores seldom share a cache line
)

// callStats counts the look-ups of one dataset. It takes no lock.
type callStats struct{ stripes [stripeCount]stripe }

type stripe struct {
	codes   [kinds][codeCount]atomic.Uint64
	buckets [kinds][bucketCount]atomic.Uint64
	nanos   [kinds]atomic.Uint64
	_       [64]byte
}

// count counts one look-up.
func (c *callStats) count(k kind, code codes.Code, took time.Duration) {
	s := &c.stripes[rand.Uint32()%stripeCount]
	if int(code) >= codeCount {
		code = codes.Unknown
	}
	s.codes[k][code].Add(1)
	bucket := max(bits.Len64(uint64(took))-firstBucket, 0)
	s.buckets[k][min(bucket, bucketCount-1)].Add(1)
	s.nanos[k].Add(uint64(took))
}

// calls returns the number of look-ups by code.
func (c *callStats) calls(k kind) (out [codeCount]uint64) {
	for i := range c.stripes {
		for code := range out {
			out[code] += c.stripes[i].codes[k][code].Load()
		}
	}
	return out
}

// times returns the histogram's cumulative counts by upper bound in seconds,
// and the sum in seconds.
func (c *callStats) times(k kind) (buckets map[float64]uint64, count uint64, seconds float64) {
	buckets = make(map[float64]uint64, bucketCount-1)
	for b := range bucketCount {
		for i := range c.stripes {
			count += c.stripes[i].buckets[k][b].Load()
		}
		if b < bucketCount-1 {
			buckets[math.Ldexp(1e-9, firstBucket+b)] = count
		}
	}
	for i := range c.stripes {
		seconds += float64(c.stripes[i].nanos[k].Load()) / 1e9
	}
	return buckets, count, seconds
}

// collector exports a Sidecar's Status and counters.
type collector struct {
	s                                              *Sidecar
	lookups, seconds, panics, calls, refused       *prometheus.Desc
	ready, age, records, versions, behind, members *prometheus.Desc
	pending, unread, waiting, listed               *prometheus.Desc
	created, pinned, failures, detours             *prometheus.Desc
}

func newCollector(s *Sidecar) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("holdfast_"+name, help, labels, nil)
	}
	return &collector{
		s:        s,
		lookups:  desc("lookups_total", "Look-ups that ended.", "dataset", "method", "code"),
		seconds:  desc("lookup_seconds", "Time in the sidecar, per look-up.", "dataset", "method"),
		panics:   desc("panics_total", "Calls that panicked."),
		refused:  desc("calls_refused_total", "Calls of all kinds, and connections, that a limit refused before they were looked at.", "limit"),
		calls:    desc("lookups_running", "Look-ups under way."),
		unread:   desc("answers_pending_bytes", "Memory of the answers that are being made or wait to be sent, and of large requests, at most limits.max_pending_bytes."),
		waiting:  desc("lists_waiting", "Lists that wait for room, until answers are read."),
		listed:   desc("listed_versions", "Versions that lists under way read.", "dataset"),
		ready:    desc("dataset_ready", "1 if the dataset is applied and can be asked.", "dataset"),
		age:      desc("dataset_age_seconds", "Time since a look at the store last confirmed the applied version.", "dataset"),
		records:  desc("dataset_records", "Records of the root type.", "dataset"),
		versions: desc("dataset_versions", "Versions in memory.", "dataset"),
		behind:   desc("dataset_behind", "1 if a version is announced that is not applied.", "dataset"),
		pending:  desc("dataset_declaration_pending", "1 if the newest declaration is not served yet, but the one before.", "dataset"),
		created:  desc("dataset_created_timestamp_seconds", "When the applied version was made, in seconds since 1970.", "dataset"),
		pinned:   desc("dataset_pinned", "1 if a pin holds consumers at a version.", "dataset"),
		failures: desc("dataset_looks_failed_total", "Looks at the store that failed.", "dataset"),
		detours:  desc("dataset_detours_total", "Missing or damaged blobs that others stood in for.", "dataset"),
		members:  desc("gossip_members", "Members of the cluster that seem to be alive."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.lookups, c.seconds, c.panics, c.calls, c.refused, c.ready, c.age, c.records, c.versions, c.behind, c.pending, c.unread, c.waiting, c.listed, c.created, c.pinned, c.failures, c.detours, c.members} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	is := map[bool]float64{true: 1}
	status := c.s.Status()
	gauge(c.calls, float64(status.Calls))
	gauge(c.unread, float64(c.s.callers.backlog.bytes.Load()))
	gauge(c.waiting, float64(c.s.callers.backlog.waiters.Load()))
	to <- prometheus.MustNewConstMetric(c.panics, prometheus.CounterValue, float64(c.s.panics.Load()))
	for i, name := range refusalNames {
		to <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(c.s.gate.refusals[i].Load()), name)
	}
	to <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(c.s.callers.refused.Load()), "max_caller_connections")
	to <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(c.s.callers.late.Load()), "max_stall")
	if status.Gossip != nil {
		gauge(c.members, float64(status.Gossip.Members))
	}
	for _, d := range status.Datasets {
		name := string(d.Dataset)
		gauge(c.ready, is[d.Ready], name)
		gauge(c.records, float64(d.Records), name)
		gauge(c.versions, float64(len(d.Live)), name)
		gauge(c.behind, is[d.Pinned == 0 && d.Version != d.Announced || d.Pinned != 0 && d.Version != d.Pinned], name)
		gauge(c.pending, is[d.Pending != ""], name)
		if d.Age >= 0 {
			gauge(c.age, d.Age.Seconds(), name)
		}
		if !d.Created.IsZero() {
			gauge(c.created, float64(d.Created.UnixMilli())/1e3, name)
		}
		gauge(c.pinned, is[d.Pinned != 0], name)
		to <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(d.Failures), name)
		to <- prometheus.MustNewConstMetric(c.detours, prometheus.CounterValue, float64(d.Detours), name)
	}
	for name, d := range c.s.routes.Load().datasets {
		gauge(c.listed, float64(d.listed.count()), string(name))
		c.collectCalls(to, string(name), d.stats)
	}
}

func (c *collector) collectCalls(to chan<- prometheus.Metric, name string, stats *callStats) {
	for k := range kinds {
		buckets, count, seconds := stats.times(k)
		if count == 0 {
			continue
		}
		to <- prometheus.MustNewConstHistogram(c.seconds, count, seconds, buckets, name, k.String())
		for code, n := range stats.calls(k) {
			if n > 0 {
				to <- prometheus.MustNewConstMetric(c.lookups, prometheus.CounterValue, float64(n), name, k.String(), codes.Code(code).String())
			}
		}
	}
}
