package sidecar

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// ErrConfig is the cause of every error about a Config.
var ErrConfig = errors.New("bad configuration")

// Config says what a Sidecar serves and where. docs/configuration.md describes
// every key.
type Config struct {
	// Datasets are served, each from its own store.
	Datasets []DatasetConfig `yaml:"datasets"`
	// Listen is the gRPC address, host:port; empty listens on Socket only. A
	// port of 0 takes a free one.
	Listen string `yaml:"listen"`
	// Socket is the path of a Unix socket that also speaks gRPC, for the own
	// user only; empty means none.
	Socket string `yaml:"socket"`
	// Admin is the address of health, metrics and status over HTTP; empty
	// means none.
	Admin string `yaml:"admin"`
	// Gossip spreads news among sidecars.
	Gossip GossipConfig `yaml:"gossip"`
	// Poll is the greatest time between two looks at a store without news.
	Poll time.Duration `yaml:"poll"`
	// Cache keeps blobs on the local disk, for a start without the stores.
	Cache CacheConfig `yaml:"cache"`
	// HintJitter bounds the random time before the first look at the store, and
	// between news and the look that it causes, where up to ten sidecars hear of
	// them; of more in proportion.
	HintJitter time.Duration `yaml:"hint_jitter"`
	// Sessions bounds what sessions hold.
	Sessions SessionConfig `yaml:"sessions"`
	// Limits bound what callers can ask for.
	Limits Limits `yaml:"limits"`

	// Where returns where the value of a key was given, such as a file and line,
	// for errors; empty if it was not. Nil if nobody knows.
	Where func(key string) string `yaml:"-"`

	// follow is a store all of whose datasets are served, also later ones.
	follow string
}

// DatasetConfig declares one dataset.
type DatasetConfig struct {
	// Name is the dataset's name in its store.
	Name dataset.Name `yaml:"name"`
	// Store is the folder or the URL of the store, as cloud.Open takes it; of a
	// dataset that a Java producer owns, the folder that it publishes into.
	Store string `yaml:"store"`
	// Key names the key fields of a dataset that declares no schema; empty
	// means its primary key.
	Key []string `yaml:"key"`
	// Root names the type that the key identifies, for a dataset that declares
	// no schema; empty means the only keyed type that nothing refers to.
	Root string `yaml:"root"`
	// LeaveOut are fields that are not loaded, each written Type.field, nor the types
	// that only they lead to, of a dataset that declares a schema.
	LeaveOut []string `yaml:"leave_out"`
	// Required makes the sidecar unready without this dataset.
	Required bool `yaml:"required"`
	// Owner says who writes the dataset: holdfast, or hollow for a Java
	// producer.
	Owner string `yaml:"owner"`
	// Policy says what look-ups for the newest version get while the store has
	// not confirmed for MaxStaleness that it is: serve gives it to them, mark
	// does and gives the state as stale, refuse fails and makes the dataset
	// unready.
	Policy       string        `yaml:"policy"`
	MaxStaleness time.Duration `yaml:"max_staleness"`
	// Fallback says what follows a missing or damaged delta: snapshot goes round
	// it, wait tries it again until it is there.
	Fallback string `yaml:"fallback"`
}

// What policies and fallbacks there are; the first one is the default.
const (
	PolicyServe  = "serve"
	PolicyMark   = "mark"
	PolicyRefuse = "refuse"

	FallbackSnapshot = "snapshot"
	FallbackWait     = "wait"
)

// The owners of datasets.
const (
	OwnerHoldfast = "holdfast"
	OwnerHollow   = "hollow"
)

// SetDefaults sets what a declaration leaves out.
func (d *DatasetConfig) SetDefaults() {
	d.Required, d.Owner, d.Policy, d.Fallback = true, OwnerHoldfast, PolicyServe, FallbackSnapshot
}

// filter returns what of the dataset is loaded, nil if all is.
func (d *DatasetConfig) filter() (*state.Filter, error) {
	if len(d.LeaveOut) == 0 {
		return nil, nil
	}
	return state.LeaveOut(d.LeaveOut...)
}

// SessionConfig bounds what sessions hold.
type SessionConfig struct {
	// MaxCount bounds the sessions at a time.
	MaxCount int `yaml:"max_count"`
	// MaxPerCaller bounds the sessions of one caller, as Limits.MaxRate has
	// them; 0 means that one can have all.
	MaxPerCaller int `yaml:"max_per_caller"`
	// MaxLease is the longest time between two renewals of a session.
	MaxLease time.Duration `yaml:"max_lease"`
	// MaxBytes bounds the memory of versions that only sessions keep.
	MaxBytes int64 `yaml:"max_bytes"`
}

// CacheConfig says where blobs are kept.
type CacheConfig struct {
	// Dir is the folder, of this sidecar alone; empty means no cache.
	Dir string `yaml:"dir"`
	// MaxBytes bounds the folder.
	MaxBytes int64 `yaml:"max_bytes"`
}

// GossipConfig is the part of announce.GossipConfig that a file can say.
type GossipConfig struct {
	// Cluster names the cluster; empty turns gossip off.
	Cluster string `yaml:"cluster"`
	// KeyFile holds the key that encrypts gossip, in base64: 16, 24 or 32
	// bytes. It is required beyond the loopback interface.
	KeyFile string `yaml:"key_file"`
	// Join are addresses of some members, host:port.
	Join []string `yaml:"join"`
	// Bind is the address to listen on; an IP address and a port, which may be
	// 0.
	Bind string `yaml:"bind"`
}

// Limits bound what callers can ask for. Beyond them a call fails with
// RESOURCE_EXHAUSTED.
type Limits struct {
	// MaxMessageBytes bounds a request.
	MaxMessageBytes int `yaml:"max_message_bytes"`
	// MaxAnswerBytes bounds one answer, or one record of a stream.
	MaxAnswerBytes int `yaml:"max_answer_bytes"`
	// MaxDepth bounds the levels of nested messages in a record. No record has
	// more than the default.
	MaxDepth int `yaml:"max_depth"`
	// MaxBatch bounds the keys of a batch.
	MaxBatch int `yaml:"max_batch"`
	// MaxStreams bounds the calls under way on one connection; further ones
	// wait.
	MaxStreams int `yaml:"max_streams"`
	// MaxCalls bounds the look-ups under way on all connections, and beside them
	// the calls that stay open, reflection and health's Watch, and those whose
	// request has not arrived.
	MaxCalls int `yaml:"max_calls"`
	// MaxHeavyCalls bounds, of the calls under way, those that read much: Diff
	// and Versions.
	MaxHeavyCalls int `yaml:"max_heavy_calls"`
	// MaxConnections bounds the connections on each address; further ones
	// wait.
	MaxConnections int `yaml:"max_connections"`
	// MaxCallerConnections bounds the gRPC connections of one caller, as MaxRate
	// has callers, and likewise those to the admin address; further ones are closed.
	// 0 means a tenth less than MaxConnections, at least one less.
	MaxCallerConnections int `yaml:"max_caller_connections"`
	// MaxRate bounds the look-ups a second of one caller: of one user on the Unix
	// socket, else of one host; 0 means no bound. A Diff or Versions counts as a
	// hundred, at most as a second's worth.
	MaxRate int `yaml:"max_rate"`
	// MaxListRecords bounds the records of a List.
	MaxListRecords int `yaml:"max_list_records"`
	// MaxListTime bounds the time that a List takes.
	MaxListTime time.Duration `yaml:"max_list_time"`
	// MaxStall bounds the time in which a caller does not finish a request, or
	// does not read answers.
	MaxStall time.Duration `yaml:"max_stall"`
	// MaxPendingBytes bounds the memory of requests, and of answers that are being
	// made or wait to be sent, on all connections together, gRPC and HTTP. One
	// connection has at most half.
	MaxPendingBytes int64 `yaml:"max_pending_bytes"`
	// MaxLoads bounds the snapshots that are fetched and read at a time, of all
	// datasets, and likewise the deltas; further ones wait.
	MaxLoads int `yaml:"max_loads"`
	// MaxVersions bounds the versions of a dataset in memory.
	MaxVersions int `yaml:"max_versions"`
	// MaxListedVersions bounds the versions of a dataset that lists under way
	// read, also those that are no longer among MaxVersions; beyond that the lists
	// of the oldest ones end.
	MaxListedVersions int `yaml:"max_listed_versions"`
}

// callerConnections returns MaxCallerConnections or, if that is 0, what it means.
func (l Limits) callerConnections() int {
	if l.MaxCallerConnections > 0 {
		return l.MaxCallerConnections
	}
	return max(1, l.MaxConnections-max(1, l.MaxConnections/10))
}

// DefaultConfig returns a Config that serves nothing yet.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:7510",
		Admin:  "127.0.0.1:7511",
		Gossip: GossipConfig{Bind: "127.0.0.1:7512"},
		Poll:   time.Second, HintJitter: 50 * time.Millisecond,
		Sessions: SessionConfig{MaxCount: 100, MaxPerCaller: 50, MaxLease: 10 * time.Minute, MaxBytes: 1 << 30},
		Cache:    CacheConfig{MaxBytes: 10 << 30},
		Limits: Limits{
			MaxMessageBytes: 4 << 20, MaxAnswerBytes: 64 << 20, MaxDepth: protomap.DefaultLimits().Depth, MaxBatch: 10000,
			MaxStreams: 1000, MaxCalls: 10000, MaxHeavyCalls: 4, MaxConnections: 1000, MaxLoads: 4, MaxVersions: 4, MaxListedVersions: 64,
			MaxListRecords: 100_000_000, MaxListTime: time.Hour, MaxStall: 30 * time.Second, MaxPendingBytes: 256 << 20,
		},
	}
}

// FromStore returns c with every dataset of the store in a folder, also those
// that come later. The datasets that are there when the sidecar starts are
// required.
func (c Config) FromStore(folder string) Config {
	c.follow = folder
	return c
}

// Validate says what is wrong with c; errors wrap ErrConfig.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s%s: %w", ErrConfig, c.at(key), key, fmt.Errorf(format, args...)))
	}
	if len(c.Datasets) > 0 && c.follow != "" {
		bad("datasets", "they are declared, and everything in the store %s is to be served, too: choose one", cloud.Shown(c.follow))
	}
	if c.follow != "" {
		if err := cloud.Check(c.follow); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrConfig, err))
		}
	}
	if len(c.Datasets) == 0 && c.follow == "" {
		bad("datasets", "declare at least one dataset, or name a store to serve everything in it")
	}
	if c.Listen == "" && c.Socket == "" {
		bad("listen", "give an address, or a socket")
	}
	c.validateAddresses(bad)
	if !inBounds(c.Poll) {
		bad("poll", outOfBounds, c.Poll, minDuration, maxDuration)
	}
	if c.HintJitter < 0 || c.HintJitter > maxJitter {
		bad("hint_jitter", "%s is not from 0s to %s", c.HintJitter, maxJitter)
	}
	c.validateGossip(bad)
	c.validateCache(bad)
	c.validateDatasets(bad)
	c.Sessions.validate(bad)
	c.Limits.validate(bad)
	return errors.Join(errs...)
}

// minDuration keeps a sidecar from looking at its stores, or at the clock, all the
// time, maxDuration from times that are past what a clock can tell.
const (
	minDuration = time.Millisecond
	maxDuration = 365 * 24 * time.Hour
)

// inBounds says whether a duration can be waited for.
func inBounds(d time.Duration) bool { return d >= minDuration && d <= maxDuration }

// outOfBounds is what is said about a duration that is not, with both bounds.
const outOfBounds = "%s is not from %s to %s"

// validateAddresses finds addresses that are none, and those that two keys have.
func (c Config) validateAddresses(bad refusal) {
	has := map[string]string{} // which key has an address
	for _, a := range []struct{ key, address string }{{"admin", c.Admin}, {"listen", c.Listen}, {"gossip.bind", c.Gossip.Bind}} {
		_, port, err := net.SplitHostPort(a.address)
		switch other := has[a.address]; {
		case a.address == "" || a.key == "gossip.bind" && c.Gossip.Cluster == "":
		case err != nil:
			bad(a.key, "%q is not host:port", a.address)
		case other != "" && port != "0":
			bad(a.key, "%s is the address of %s, too", a.address, other)
		}
		has[a.address] = a.key
	}
}

// refusal says what is wrong with the value of a key, or with what it lacks.
type refusal func(key, format string, args ...any)

// at says where a key was given, or what it stands in, such as its dataset;
// empty if that is not known.
func (c Config) at(key string) string {
	for c.Where != nil && key != "" {
		if at := c.Where(key); at != "" {
			return at + ": "
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

// maxJitter is the greatest hint_jitter: nothing is served before the first look
// at the store.
const maxJitter = 2 * time.Second

func (c Config) validateGossip(bad refusal) {
	g := c.Gossip
	if g.Cluster == "" && (g.KeyFile != "" || len(g.Join) > 0) {
		bad("gossip.cluster", "it has no name, so there is no gossip, but gossip.key_file or gossip.join is given")
	}
	if g.Cluster == "" {
		return
	}
	if err := (announce.GossipConfig{Cluster: g.Cluster, KeyFile: g.KeyFile, Bind: g.Bind}).Check(); err != nil {
		bad("gossip", "%w", err)
	}
}

// Shown returns c as people may see it: the stores without what may be a secret.
func (c Config) Shown() Config {
	c.Datasets = slices.Clone(c.Datasets)
	for i := range c.Datasets {
		c.Datasets[i].Store = cloud.Shown(c.Datasets[i].Store)
	}
	return c
}

// validateCache keeps the cache, which removes files, away from the stores.
func (c Config) validateCache(bad refusal) {
	if c.Cache.MaxBytes <= 0 {
		bad("cache.max_bytes", "%d is not positive", c.Cache.MaxBytes)
	}
	stores := []string{c.follow}
	for _, d := range c.Datasets {
		stores = append(stores, d.Store)
	}
	for _, location := range stores {
		folder, ok := cloud.Folder(location)
		if c.Cache.Dir == "" || !ok {
			continue
		}
		switch meet, err := blob.Overlap(c.Cache.Dir, folder); {
		case err != nil:
			bad("cache.dir", "%w", err)
		case meet:
			bad("cache.dir", "%s and the store %s overlap: give the cache a folder of its own", c.Cache.Dir, location)
		}
	}
}

func (c Config) validateDatasets(bad refusal) {
	seen := map[dataset.Name]bool{}
	for i, d := range c.Datasets {
		at := fmt.Sprintf("datasets[%d]", i)
		if _, err := dataset.ParseName(string(d.Name)); err != nil {
			bad(at+".name", "%w", err)
			continue
		}
		if seen[d.Name] {
			bad(at+".name", "dataset %s is declared twice", d.Name)
		}
		seen[d.Name] = true
		if d.Store == "" {
			bad(at+".store", "dataset %s needs the folder or the URL of its store", d.Name)
		} else if err := cloud.Check(d.Store); err != nil {
			bad(at+".store", "%w", err)
		}
		d.validate(at, c.Poll, bad)
	}
}

func (d DatasetConfig) validate(at string, poll time.Duration, bad refusal) {
	if d.Owner == OwnerHollow && cloud.IsURL(d.Store) {
		bad(at+".store", "a Java producer publishes into a folder, not into a bucket")
	}
	for _, c := range []struct {
		key, value string
		allowed    []string
	}{
		{"owner", d.Owner, []string{OwnerHoldfast, OwnerHollow}},
		{"policy", d.Policy, []string{PolicyServe, PolicyMark, PolicyRefuse}},
		{"fallback", d.Fallback, []string{FallbackSnapshot, FallbackWait}},
	} {
		if c.value != "" && !slices.Contains(c.allowed, c.value) {
			bad(at+"."+c.key, "%q is not one of %s", c.value, strings.Join(c.allowed, ", "))
		}
	}
	d.validateLeaveOut(at+".leave_out", bad)
	if len(d.LeaveOut) > 0 && d.Owner == OwnerHollow {
		bad(at+".leave_out", "it is for datasets that declare a schema, and a Java producer's declares none")
	}
	needed := d.Policy == PolicyMark || d.Policy == PolicyRefuse
	if !needed && d.MaxStaleness > 0 {
		bad(at+".max_staleness", "it is without effect unless policy is %s or %s", PolicyMark, PolicyRefuse)
	}
	if needed && d.MaxStaleness <= 0 || d.MaxStaleness < 0 {
		bad(at+".max_staleness", "policy %s needs a positive duration, not %s", d.Policy, d.MaxStaleness)
	} else if needed && d.MaxStaleness <= poll {
		bad(at+".max_staleness", "%s is not more than poll, %s: what is current would be too old between two looks", d.MaxStaleness, poll)
	}
}

func (d DatasetConfig) validateLeaveOut(at string, bad refusal) {
	for i, field := range d.LeaveOut {
		entry := fmt.Sprintf("%s[%d]", at, i)
		if _, err := state.LeaveOut(field); err != nil {
			bad(entry, "%w", err)
		} else if slices.Contains(d.LeaveOut[:i], field) {
			bad(entry, "%s is left out twice", field)
		}
	}
}

func (c SessionConfig) validate(bad refusal) {
	if c.MaxCount < 0 {
		bad("sessions.max_count", "%d is negative", c.MaxCount)
	}
	if c.MaxPerCaller < 0 {
		bad("sessions.max_per_caller", "%d is negative", c.MaxPerCaller)
	}
	if !inBounds(c.MaxLease) {
		bad("sessions.max_lease", outOfBounds, c.MaxLease, minDuration, maxDuration)
	}
	if c.MaxBytes < 0 {
		bad("sessions.max_bytes", "%d is negative", c.MaxBytes)
	}
}

func (l Limits) validate(bad refusal) {
	for _, v := range []struct {
		key   string
		n     int
		least int
	}{
		{"max_message_bytes", l.MaxMessageBytes, 1}, {"max_answer_bytes", l.MaxAnswerBytes, 1},
		{"max_depth", l.MaxDepth, 1}, {"max_heavy_calls", l.MaxHeavyCalls, 1}, {"max_loads", l.MaxLoads, 1}, {"max_batch", l.MaxBatch, 1}, {"max_streams", l.MaxStreams, 1},
		{"max_calls", l.MaxCalls, 1}, {"max_connections", l.MaxConnections, 1}, {"max_caller_connections", l.MaxCallerConnections, 0}, {"max_versions", l.MaxVersions, 2},
		{"max_listed_versions", l.MaxListedVersions, 1}, {"max_rate", l.MaxRate, 0}, {"max_list_records", l.MaxListRecords, 1}, {"max_pending_bytes", int(l.MaxPendingBytes), 64 << 10},
	} {
		if v.n < v.least {
			bad("limits."+v.key, "%d is less than %d", v.n, v.least)
		}
	}
	if l.MaxCallerConnections > l.MaxConnections {
		bad("limits.max_caller_connections", "%d is more than limits.max_connections, which is %d", l.MaxCallerConnections, l.MaxConnections)
	}
	if most := protomap.DefaultLimits().Depth; l.MaxDepth > most {
		bad("limits.max_depth", "%d is more than %d, the deepest that a record can be", l.MaxDepth, most)
	}
	if most := int64(math.MaxUint32); int64(l.MaxStreams) > most {
		bad("limits.max_streams", "%d is more than %d, the most that HTTP/2 can say", l.MaxStreams, most)
	}
	if !inBounds(l.MaxListTime) {
		bad("limits.max_list_time", outOfBounds, l.MaxListTime, minDuration, maxDuration)
	}
	if !inBounds(l.MaxStall) {
		bad("limits.max_stall", outOfBounds, l.MaxStall, minDuration, maxDuration)
	}
}
