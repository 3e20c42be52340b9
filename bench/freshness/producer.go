package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// done is what a producer says when it has made some versions. Begun and Acked
// are those of the last one, by the clock of the machine, which both processes
// read.
type done struct {
	Version string
	Number  int64 // of the last one, as its marked record counts
	Begun   time.Time
	Acked   time.Time
	weight
}

// producing is the producer in a process of its own: it keeps a cycle open, as
// a long-running producer does, and tells the cluster of each version if there
// is one.
type producing struct {
	records  *records
	mapping  *protomap.Mapping
	messages []protoreflect.Message
	cycle    *cycle.Cycle
	gossip   *announce.Gossip // nil if it is off
}

// produce is the command of that process: for each line of in, a number, it
// publishes so many versions and writes a line of JSON, a done.
func produce(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	f := flag.NewFlagSet("freshness produce", flag.ContinueOnError)
	store := f.String("store", "", "folder of the store")
	seed := f.Uint64("seed", 1, "seed of the records")
	from := f.Int64("from", 0, "number of the version before the first")
	every := f.Int("snapshot-every", 100, "versions from one snapshot to the next")
	cluster := f.String("cluster", "", "cluster of gossip; none if empty")
	join := f.String("join", "", "comma-separated addresses of members")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := &producing{records: newRecords(*seed)}
	p.records.number = *from
	if err := p.open(ctx, *store, *every); err != nil {
		return err
	}
	if *cluster != "" {
		g, err := announce.NewGossip(announce.GossipConfig{
			Cluster: *cluster, Bind: "127.0.0.1:0", Join: strings.Split(*join, ","), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		defer g.Close()
		p.gossip = g
		for g.Members() < 2 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return p.serve(ctx, in, json.NewEncoder(out))
}

func (p *producing) serve(ctx context.Context, in io.Reader, out *json.Encoder) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
			return err
		}
		var d done
		for range n {
			var err error
			if d, err = p.publish(ctx); err != nil {
				return err
			}
		}
		if err := d.weigh(); err != nil {
			return err
		}
		if err := out.Encode(d); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (p *producing) open(ctx context.Context, folder string, every int) (err error) {
	p.mapping, err = protomap.Compile(ctx, "item.proto", func(path string) ([]byte, error) {
		if path != "item.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(schema), nil
	})
	if err != nil {
		return err
	}
	p.messages = make([]protoreflect.Message, recordCount)
	for i := range p.messages {
		if err := p.parse(i); err != nil {
			return err
		}
	}
	store, err := blob.CreateDir(folder)
	if err != nil {
		return err
	}
	p.cycle, err = cycle.Open(ctx, cycle.Config{
		Dataset: items, Store: store, Mapping: p.mapping, Author: announce.Author{Name: "freshness"},
		SnapshotEvery: every, Now: time.Now, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	return err
}

func (p *producing) parse(i int) error {
	line, err := p.records.line(i)
	if err != nil {
		return err
	}
	p.messages[i], err = p.mapping.ParseJSON(line)
	return err
}

// publish makes one version, and tells the cluster.
func (p *producing) publish(ctx context.Context) (done, error) {
	for _, i := range p.records.next() {
		if err := p.parse(i); err != nil {
			return done{}, err
		}
	}
	d := done{Begun: time.Now(), Number: p.records.number}
	r, err := p.cycle.Run(ctx, dataset.Lineage{Producer: "freshness"}, func(sink protomap.Sink) error {
		for _, m := range p.messages {
			if _, err := p.mapping.Add(sink, m); err != nil {
				return err
			}
		}
		return nil
	})
	d.Acked, d.Version = time.Now(), r.Version.String()
	if err != nil || p.gossip == nil {
		return d, err
	}
	f, err := p.cycle.Log().Refresh(ctx)
	if err != nil {
		return d, err
	}
	p.gossip.Announce(announce.Hint{Dataset: items, Position: f.Position, Version: r.Version})
	return d, nil
}

// weigh says what the own process holds.
func (d *done) weigh() (err error) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	d.Heap, d.Goroutines = int64(sample[0].Value.Uint64()), runtime.NumGoroutine() // as the last collection found it
	d.RSS, d.Anonymous, err = resident(os.Getpid())
	return err
}
