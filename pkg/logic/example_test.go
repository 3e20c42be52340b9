package logic_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/producer"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// PROD's logic in a program of its own: it runs whenever dataset usage has a new
// version, until it is stopped. docs/replay.md shows it.
func ExampleProducer() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := exampleStore(ctx)
	seen := func(e dataset.Evaluation, r cycle.Result) {
		fmt.Println(r.Records, "records of", e.Inputs[0].Dataset)
		stop() // a program goes on until it is told to
	}

	output, err := featuregate.Mapping(featuregate.Output) // protomap.Compile reads a .proto
	if err != nil {
		log.Fatal(err)
	}
	cfg := logic.DefaultProducerConfig()
	cfg.Store, cfg.Output, cfg.Author = store, "availability", announce.Author{Name: "availability-prod"}
	cfg.Logic = &logic.Logic{Name: "availability", Inputs: []dataset.Name{"usage"}, Output: output, Run: decide}
	p, err := logic.OpenProducer(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Follow(ctx, seen); err != nil { // seen is called after each run
		log.Fatal(err)
	}
	// Output: 2 records of usage
}

func decide(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
	for u, err := range logic.Records[pb.Usage](s, "usage") {
		if err != nil {
			return err
		}
		if err := emit(&pb.Availability{Feature: "f", Region: u.GetRegion(), Available: len(u.GetShares()) > 0}); err != nil {
			return err
		}
	}
	return nil
}

// exampleStore has two records of dataset usage; a program opens its own with
// cloud.Open.
func exampleStore(ctx context.Context) blob.Store {
	usage, err := featuregate.Mapping(featuregate.Usage)
	if err != nil {
		log.Fatal(err)
	}
	cfg := producer.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Mapping, cfg.Author = "usage", blob.NewMemory(), usage, announce.Author{Name: "example"}
	cfg.Files = []producer.File{{Name: "example", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(`{"region":"KR"}` + "\n" + `{"region":"KE"}` + "\n")), nil
	}}}
	if _, err := producer.Publish(ctx, cfg); err != nil {
		log.Fatal(err)
	}
	return cfg.Store
}

// TestDocument holds the program in docs/replay.md to the example.
func TestDocument(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\n\n\toutput, err := ")
	program, _, found := strings.Cut("\toutput, err := "+program, "\t// Output:")
	program = strings.TrimPrefix(strings.ReplaceAll(program, "\n\t", "\n"), "\t")
	if !found || !strings.Contains(string(page), "```go\n"+strings.TrimRight(program, "\t\n")+"\n```\n") {
		t.Errorf("docs/replay.md has not\n%s", program)
	}
}
