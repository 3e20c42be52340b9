package sidecar

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
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
	// Poll is the time between two looks at a store without news.
	Poll time.Duration `yaml:"poll"`
	// Limits bound what callers can ask for.
	Limits Limits `yaml:"limits"`

	// follow is a store all of whose datasets are served, also later ones.
	follow string
}

// DatasetConfig declares one dataset.
type DatasetConfig struct {
	// Name is the dataset's name in its store.
	Name dataset.Name `yaml:"name"`
	// Store is the folder or the URL of the store, as blob.Open takes it; of a
	// dataset that a Java producer owns, the folder that it publishes into.
	Store string `yaml:"store"`
	// Key names the key fields of a dataset that declares no schema; empty
	// means its primary key.
	Key []string `yaml:"key"`
	// Root names the type that the key identifies, for a dataset that declares
	// no schema; empty means the only keyed type that nothing refers to.
	Root string `yaml:"root"`
	// Required makes the sidecar unready without this dataset.
	Required bool `yaml:"required"`
	// Owner says who writes the dataset: holdfast, or hollow for a Java
	// producer.
	Owner string `yaml:"owner"`
}

// The owners of datasets.
const (
	OwnerHoldfast = "holdfast"
	OwnerHollow   = "hollow"
)

// SetDefaults sets what a declaration leaves out.
func (d *DatasetConfig) SetDefaults() { d.Required, d.Owner = true, OwnerHoldfast }

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
	// MaxDepth bounds the levels of nested messages in a record.
	MaxDepth int `yaml:"max_depth"`
	// MaxBatch bounds the keys of a batch.
	MaxBatch int `yaml:"max_batch"`
	// MaxStreams bounds the calls under way on one connection; further ones
	// wait.
	MaxStreams int `yaml:"max_streams"`
	// MaxCalls bounds the look-ups under way on all connections.
	MaxCalls int `yaml:"max_calls"`
	// MaxConnections bounds the connections on each address; further ones
	// wait.
	MaxConnections int `yaml:"max_connections"`
	// MaxVersions bounds the versions of a dataset in memory.
	MaxVersions int `yaml:"max_versions"`
}

// DefaultConfig returns a Config that serves nothing yet.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:7510",
		Admin:  "127.0.0.1:7511",
		Gossip: GossipConfig{Bind: "127.0.0.1:7512"},
		Poll:   time.Second,
		Limits: Limits{
			MaxMessageBytes: 4 << 20, MaxAnswerBytes: 64 << 20, MaxDepth: 100, MaxBatch: 10000,
			MaxStreams: 1000, MaxCalls: 10000, MaxConnections: 1000, MaxVersions: 4,
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
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, args...)))
	}
	if len(c.Datasets) == 0 && c.follow == "" {
		bad("datasets: declare at least one dataset, or name a store to serve everything in it")
	}
	if c.Listen == "" && c.Socket == "" {
		bad("listen: give an address, or a socket")
	}
	for _, a := range []struct{ key, address string }{{"listen", c.Listen}, {"admin", c.Admin}, {"gossip.bind", c.Gossip.Bind}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil && a.address != "" {
			bad("%s: %q is not host:port", a.key, a.address)
		}
	}
	if c.Poll <= 0 {
		bad("poll: %s is not a positive duration", c.Poll)
	}
	c.validateDatasets(bad)
	c.Limits.validate(bad)
	return errors.Join(errs...)
}

func (c Config) validateDatasets(bad func(string, ...any)) {
	seen := map[dataset.Name]bool{}
	for i, d := range c.Datasets {
		at := fmt.Sprintf("datasets[%d]", i)
		if _, err := dataset.ParseName(string(d.Name)); err != nil {
			bad("%s.name: %w", at, err)
			continue
		}
		if seen[d.Name] {
			bad("%s.name: dataset %s is declared twice", at, d.Name)
		}
		seen[d.Name] = true
		if d.Store == "" {
			bad("%s.store: dataset %s needs the folder or the URL of its store", at, d.Name)
		}
		switch d.Owner {
		case "", OwnerHoldfast:
		case OwnerHollow:
			if blob.IsURL(d.Store) {
				bad("%s.store: a Java producer publishes into a folder, not into a bucket", at)
			}
		default:
			bad("%s.owner: %q is not %s or %s", at, d.Owner, OwnerHoldfast, OwnerHollow)
		}
	}
}

func (l Limits) validate(bad func(string, ...any)) {
	for _, v := range []struct {
		key   string
		n     int
		least int
	}{
		{"max_message_bytes", l.MaxMessageBytes, 1}, {"max_answer_bytes", l.MaxAnswerBytes, 1},
		{"max_depth", l.MaxDepth, 1}, {"max_batch", l.MaxBatch, 1}, {"max_streams", l.MaxStreams, 1},
		{"max_calls", l.MaxCalls, 1}, {"max_connections", l.MaxConnections, 1}, {"max_versions", l.MaxVersions, 2},
	} {
		if v.n < v.least {
			bad("limits.%s: %d is less than %d", v.key, v.n, v.least)
		}
	}
}
