package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
)

type testGossip struct {
	Cluster string   `yaml:"cluster"`
	KeyFile string   `yaml:"key_file"`
	Token   string   `yaml:"token" secret:"true"`
	Join    []string `yaml:"join"`
}

type testDataset struct {
	Name     string `yaml:"name"`
	Required bool   `yaml:"required"`
}

func (d *testDataset) SetDefaults() { d.Required = true }

type testConfig struct {
	Datasets []testDataset `yaml:"datasets"`
	Listen   string        `yaml:"listen"`
	Gossip   testGossip    `yaml:"gossip"`
	Poll     time.Duration `yaml:"poll"`
	Batch    int           `yaml:"batch"`
	hidden   int           //nolint:unused // a file may not name it
}

func testDefaults() testConfig {
	return testConfig{Listen: "127.0.0.1:1", Poll: time.Second, Batch: 7}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := write(t, "listen: file:1\npoll: 2s\nbatch: 8\ngossip:\n  cluster: file\n  join: [a, b]\ndatasets:\n  - name: usage\n  - {name: other, required: false}\n")
	got := testDefaults()
	o, err := Load(&got, Sources{
		File:    path,
		Environ: []string{"HOLDFAST_POLL=3s", "HOLDFAST_GOSSIP_CLUSTER=env", "HOLDFAST_GOSSIP_JOIN=c, d", "HOLDFAST_PORT=tcp://1.2.3.4:5", "PATH=x"},
		Flags:   map[string]string{"gossip.cluster": "flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := testConfig{
		Listen: "file:1", Poll: 3 * time.Second, Batch: 8,
		Gossip:   testGossip{Cluster: "flag", Join: []string{"c", "d"}},
		Datasets: []testDataset{{"usage", true}, {"other", false}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(testConfig{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	for key, want := range map[string]string{
		"listen": path + ":1", "batch": path + ":3", "poll": "environment HOLDFAST_POLL",
		"gossip.cluster": "flag --gossip-cluster", "gossip.key_file": "default", "datasets[1].required": path + ":9",
		"datasets[0].required": "default",
	} {
		if got := o.Of(key); got != want {
			t.Errorf("origin of %s is %q, want %q", key, got, want)
		}
	}
}

func TestPrint(t *testing.T) {
	cfg := testDefaults()
	o, err := Load(&cfg, Sources{Flags: map[string]string{"gossip.token": "hush", "gossip.join": "a:1", "datasets": "[{name: usage}]"}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := o.Print(&b, cfg); err != nil {
		t.Fatal(err)
	}
	want := `datasets:
  - name: usage # flag --datasets
    required: true # default
listen: 127.0.0.1:1 # default
gossip:
  cluster: "" # default
  key_file: "" # default
  token: '********' # flag --gossip-token
  join: ['a:1'] # flag --gossip-join
poll: 1s # default
batch: 7 # default
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"lissten: x", `c.yaml:1: unknown key "lissten": did you mean "listen"?`},
		{"gossip:\n  keyfile: x", `c.yaml:2: unknown key "gossip.keyfile": did you mean "gossip.key_file"?`},
		{"\nkey_file: x", `c.yaml:2: unknown key "key_file": did you mean "gossip.key_file"?`},
		{"datasets:\n- nmae: x", `c.yaml:2: unknown key "datasets[0].nmae": did you mean "datasets[0].name"?`},
		{"zzzzzzzzzzzz: x", `c.yaml:1: unknown key "zzzzzzzzzzzz": known are datasets, listen, gossip, poll, batch`},
		{"hidden: 1", `c.yaml:1: unknown key "hidden"`},
		{"gossip.cluster: x", `c.yaml:1: unknown key "gossip.cluster"`},
		{"poll: 1s\npoll: 2s", `c.yaml:2: key "poll" is already given on line 1`},
		{"poll: soon", `c.yaml:1: poll: "soon" is not a duration such as 1s or 500ms`},
		{"poll: 5", `c.yaml:1: poll: "5" is not a duration`},
		{"batch: 1.5", `c.yaml:1: batch: "1.5" is not a whole number`},
		{"batch: [1]", `c.yaml:1: batch: a whole number is needed`},
		{"gossip: x", `c.yaml:1: gossip: a mapping with the keys cluster, key_file, token, join is needed`},
		{"datasets: x", `c.yaml:1: datasets: a list is needed`},
		{"datasets: [~]", `c.yaml:1: datasets: an element is empty`},
		{"listen: &a x\n", `anchors and aliases are not read`},
		{"listen: x\n---\nlisten: y", `more than one YAML document`},
		{"listen: [", `c.yaml:`},
		{"- x", `c.yaml:1: a mapping with the keys`},
	} {
		cfg := testDefaults()
		_, err := Load(&cfg, Sources{File: write(t, c.text)})
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
	cfg := testDefaults()
	if _, err := Load(&cfg, Sources{Environ: []string{"HOLDFAST_BATCH=many"}}); err == nil || !strings.Contains(err.Error(), "environment HOLDFAST_BATCH: batch") {
		t.Errorf("bad variable: got %v", err)
	}
	if _, err := Load(&cfg, Sources{File: "/nonexistent/x"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
}

func TestNothingGiven(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "gossip:\nlisten: ~\n"} {
		cfg := testDefaults()
		if _, err := Load(&cfg, Sources{File: write(t, text)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(testDefaults(), cfg, cmp.AllowUnexported(testConfig{})); diff != "" {
			t.Errorf("%q changed the defaults:\n%s", text, diff)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{"listen: x", "gossip: {join: [a]}", "datasets: [{name: x}]", "a: &a [*a]", "? [x]\n: y", "poll: 1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg := testDefaults()
		o := &Origins{at: map[string]string{}}
		var err error
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 3000}.Check(t, "config", len(text), func() { err = o.LoadYAML(&cfg, "fuzz", []byte(text)) })
		if err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%q: error without cause: %v", text, err)
		}
	})
}
