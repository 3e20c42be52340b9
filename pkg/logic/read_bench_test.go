package logic_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

const benchRecords = 20_000

// BenchmarkCommandReads reads each of 20,000 small records in a command: one
// after the other, by their keys in batches, and as a whole. The start of the
// command is in it.
func BenchmarkCommandReads(b *testing.B) {
	mapping, err := featuregate.Mapping(featuregate.Usage)
	if err != nil {
		b.Fatal(err)
	}
	var records []proto.Message
	for i := range benchRecords {
		records = append(records, &pb.Usage{Region: fmt.Sprint(i), Name: "Korea", Shares: []*pb.Share{{Browser: "b", Version: "1", Percent: float64(i)}}})
	}
	s := sessionOf(b, mapping, records...)
	for _, name := range []string{"read_get", "read_batch", "read_records"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := runCommandOn(b, name, s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRecords), "ns/record")
		})
	}
}

func readGet(_ context.Context, s *logic.Session, _ func(proto.Message) error) error {
	for i := range benchRecords {
		if u, err := logic.Get[pb.Usage](s, featuregate.Usage, fmt.Sprint(i)); err != nil || u == nil {
			return fmt.Errorf("record %d: %v, %w", i, u, err)
		}
	}
	return nil
}

func readBatch(_ context.Context, s *logic.Session, _ func(proto.Message) error) error {
	var keys [][]string
	for i := range benchRecords {
		keys = append(keys, []string{fmt.Sprint(i)})
	}
	_, err := logic.BatchGet[pb.Usage](s, featuregate.Usage, keys)
	return err
}

func readRecords(_ context.Context, s *logic.Session, _ func(proto.Message) error) error {
	n := 0
	for _, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
		if n++; err != nil {
			return err
		}
	}
	if n != benchRecords {
		return fmt.Errorf("%d records", n)
	}
	return nil
}
