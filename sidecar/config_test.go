package sidecar

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/internal/daemon"
)

// TestDocument holds docs/configuration.md to the struct: every key has a row
// with its default, and the whole file is the defaults.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	file := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if file == nil {
		t.Fatal("there is no yaml block")
	}
	path := t.TempDir() + "/c.yaml"
	if err := os.WriteFile(path, []byte(file[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Datasets = []DatasetConfig{{Name: "usage", Store: "/var/lib/holdfast/store", Key: []string{}, LeaveOut: []string{}}}
	want.Datasets[0].SetDefaults()
	want.Gossip.Join = []string{}
	got := DefaultConfig()
	got.Limits, got.Listen = Limits{}, ""
	origins, err := daemon.Load(&got, daemon.Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("the whole file is not the defaults (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the whole file is refused: %v", err)
	}
	var keys []string
	rows := regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| (?:`([^|]*)`)? ?\\|").FindAllStringSubmatch(text, -1)
	for _, row := range rows {
		if strings.HasPrefix(row[1], "holdfast-") {
			continue
		}
		keys = append(keys, row[1])
		line := fmt.Sprintf("%s: %s\n", row[1][strings.LastIndex(row[1], ".")+1:], row[2])
		if row[2] != "" && !strings.Contains(file[1], line) {
			t.Errorf("%s: the row's default %q is not in the whole file", row[1], row[2])
		}
	}
	if diff := cmp.Diff(daemon.Keys(got), keys); diff != "" {
		t.Errorf("rows of keys (-struct +document):\n%s", diff)
	}
	for _, key := range daemon.Keys(got) {
		key = strings.Replace(key, "[]", "[0]", 1)
		if origins.Of(key) == "default" {
			t.Errorf("the whole file lacks %s", key)
		}
	}
}

func TestValidate(t *testing.T) {
	valid := func() Config {
		c := DefaultConfig()
		c.Datasets = []DatasetConfig{{Name: "usage", Store: "s"}}
		return c
	}
	if err := valid().Validate(); err != nil {
		t.Errorf("a valid configuration: %v", err)
	}
	if err := DefaultConfig().FromStore("s").Validate(); err != nil {
		t.Errorf("a whole store: %v", err)
	}
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Datasets = nil }, "declare at least one dataset"},
		{func(c *Config) { c.Datasets[0].Name = "../x" }, "datasets[0].name"},
		{func(c *Config) { c.Datasets[0].Store = "" }, "datasets[0].store"},
		{func(c *Config) { c.Datasets[0].Owner = "java" }, `"java" is not one of holdfast, hollow`},
		{func(c *Config) { c.Datasets = append(c.Datasets, c.Datasets[0]) }, "declared twice"},
		{func(c *Config) { c.Listen = "" }, "listen: give an address"},
		{func(c *Config) { c.Admin = "7511" }, `admin: "7511" is not host:port`},
		{func(c *Config) { c.Poll = 0 }, "poll: 0s"},
		{func(c *Config) { c.Limits.MaxBatch = 0 }, "limits.max_batch: 0 is less than 1"},
		{func(c *Config) { c.Cache.Dir = c.Datasets[0].Store }, "overlap: give the cache a folder of its own"},
		{func(c *Config) { c.Limits.MaxConnections, c.Limits.MaxCallerConnections = 5, 6 }, "limits.max_caller_connections: 6 is more than limits.max_connections, which is 5"},
		{func(c *Config) { c.Limits.MaxDepth = 65 }, "limits.max_depth: 65 is more than 64, the deepest that a record can be"},
		{func(c *Config) { c.Sessions.MaxPerCaller = -1 }, "sessions.max_per_caller: -1"},
		{func(c *Config) { c.HintJitter = -1 }, "hint_jitter: -1ns"},
		{func(c *Config) { c.HintJitter = time.Hour }, "hint_jitter: 1h0m0s is not from 0s to 2s"},
		{func(c *Config) { c.Gossip.Join = []string{"a:1"} }, "gossip.cluster: it has no name"},
		{func(c *Config) { c.Datasets[0].MaxStaleness = time.Hour }, "without effect unless policy is mark or refuse"},
		{func(c *Config) { c.Datasets[0].Policy = "hope" }, `"hope" is not one of serve, mark, refuse`},
		{func(c *Config) { c.Datasets[0].Policy = PolicyRefuse }, "datasets[0].max_staleness: policy refuse needs"},
		{func(c *Config) { c.Datasets[0].Policy, c.Datasets[0].MaxStaleness = PolicyMark, c.Poll }, "datasets[0].max_staleness: 1s is not more than poll"},
		{func(c *Config) { *c = c.FromStore("s") }, "everything in the store s is to be served, too"},
		{func(c *Config) { c.Datasets[0].Fallback = "none" }, `"none" is not one of snapshot, wait`},
		{func(c *Config) { c.Sessions = SessionConfig{MaxCount: -1} }, "sessions.max_count: -1"},
		{func(c *Config) { c.Sessions.MaxLease = 0 }, "sessions.max_lease: 0s"},
		{func(c *Config) { c.Limits.MaxRate = -1 }, "limits.max_rate: -1"},
		{func(c *Config) { c.Datasets[0].LeaveOut = []string{"A.b", "c"} }, `datasets[0].leave_out[1]: leave out "c"`},
		{func(c *Config) { c.Datasets[0].LeaveOut = []string{"A.b", "A.c", "A.b"} }, "datasets[0].leave_out[2]: A.b is left out twice"},
		{func(c *Config) { c.Limits.MaxPendingBytes = 1 }, "limits.max_pending_bytes: 1 is less than 65536"},
		{func(c *Config) { c.Limits.MaxVersions = 1 }, "limits.max_versions: 1 is less than 2"},
		{func(c *Config) { c.Limits.MaxListedVersions = 0 }, "limits.max_listed_versions: 0 is less than 1"},
		{func(c *Config) { c.Poll = 1 }, "poll: 1ns is not from 1ms to 8760h0m0s"},
		{func(c *Config) { c.Poll = math.MaxInt64 }, "poll: 2562047h47m16.854775807s is not from 1ms to 8760h0m0s"},
		{func(c *Config) { c.Limits.MaxStall = 3 }, "limits.max_stall: 3ns is not from 1ms to 8760h0m0s"},
		{func(c *Config) { c.Limits.MaxListTime = math.MaxInt64 }, "limits.max_list_time: 2562047h47m16.854775807s is not from 1ms"},
		{func(c *Config) { c.Limits.MaxStreams = 1<<32 + 1 }, "limits.max_streams: 4294967297 is more than 4294967295"},
		{func(c *Config) { c.Sessions.MaxLease = math.MaxInt64 }, "sessions.max_lease: 2562047h47m16.854775807s is not from 1ms to 8760h0m0s"},
		{func(c *Config) { c.Listen = c.Admin }, "listen: 127.0.0.1:7511 is the address of admin, too"},
		{func(c *Config) { c.Gossip.Cluster, c.Gossip.Bind = "x", c.Listen }, "gossip.bind: 127.0.0.1:7510 is the address of listen, too"},
	} {
		cfg := valid()
		c.change(&cfg)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	l := Limits{MaxRate: -1, MaxCallerConnections: -1}
	n := 0
	l.validate(func(string, string, ...any) { n++ })
	if want := reflect.TypeOf(l).NumField(); n != want {
		t.Errorf("%d limits are validated, there are %d", n, want)
	}
}

// What Open would refuse before it looks at a store or listens, Validate does.
func TestValidateWithoutALook(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Datasets[0].Store = "http://x/y" }, `datasets[0].store: store: http://x: scheme "http" is unknown`},
		{func(c *Config) { c.Datasets[0].Store = "s3://k:s@b" }, "datasets[0].store: store: s3://…: the URL holds credentials"},
		{func(c *Config) { *c = DefaultConfig().FromStore("http://x/y") }, `store: http://x: scheme "http" is unknown`},
		{func(c *Config) { c.Gossip.Cluster, c.Gossip.Bind = "x", "0.0.0.0:0" }, "gossip: it cannot be used: bind address 0.0.0.0:0 is not loopback, so a key is required"},
		{func(c *Config) { c.Gossip.Cluster, c.Gossip.Bind = "x", "host:0" }, `gossip: it cannot be used: address "host:0": use an IP address`},
		{func(c *Config) { c.Gossip.Cluster = strings.Repeat("x", 1000) }, "gossip: it cannot be used: cluster name"},
	} {
		cfg := DefaultConfig()
		cfg.Datasets = []DatasetConfig{{Name: "usage", Store: "s"}}
		c.change(&cfg)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestUnknownKey(t *testing.T) {
	path := t.TempDir() + "/c.yaml"
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:0\ngosip:\n  cluster: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	_, err := daemon.Load(&cfg, daemon.Sources{File: path})
	if want := path + `:2: unknown key "gosip": did you mean "gossip"?`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
