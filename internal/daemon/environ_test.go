package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStrays(t *testing.T) {
	var cfg struct {
		Poll   string `yaml:"poll"`
		Gossip struct {
			KeyFile string `yaml:"key_file"`
		} `yaml:"gossip"`
	}
	got := Strays(&cfg, []string{
		"PATH=x", "HOLDFAST_POLL=1s", "HOLDFAST_GOSSIP_KEY_FILE=x", "HOLDFAST_STORE=x", "HOLDFAST=x", "POL=x",
		"HOLDFAST_SERVICE_HOST=10.0.0.1", "HOLDFAST_SERVICE_PORT=1", "HOLDFAST_SERVICE_PORT_GRPC=1", "HOLDFAST_PORT=tcp://10.0.0.1:1",
		"HOLDFAST_PORT_7510_TCP=x", "HOLDFAST_PORT_7510_TCP_ADDR=x", "HOLDFAST_ADMIN_SERVICE_HOST=x", "HOLDFAST_ADMIN_PORT_1_UDP_PROTO=x",
		"HOLDFAST_POL=1s", "HOLDFAST_GOSSIP_KEYFILE=x", "HOLDFAST_ELSEWHERE=x",
	}, "HOLDFAST_STORE")
	want := []Stray{{"HOLDFAST_ELSEWHERE", ""}, {"HOLDFAST_GOSSIP_KEYFILE", "HOLDFAST_GOSSIP_KEY_FILE"}, {"HOLDFAST_POL", "HOLDFAST_POLL"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("strays (-want +got):\n%s", diff)
	}
}
