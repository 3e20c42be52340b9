package featuregate

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// Logic returns the logic of the demo. output is the mapping of Output.
func Logic(output *protomap.Mapping, p Policy) *logic.Logic {
	return &logic.Logic{
		Name: "featuregate", Build: "featuregate-" + p.String(),
		Inputs: InputDatasets(), Output: output,
		Run: func(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
			in, err := read(s)
			if err != nil {
				return err
			}
			return Decide(in, p, func(a *pb.Availability) error { return emit(a) })
		},
		Sources: func(key []state.Value) []logic.Source {
			return []logic.Source{{Dataset: Features, Key: key[:1]}, {Dataset: Usage, Key: key[1:]}}
		},
	}
}

func read(s *logic.Session) (in Inputs, err error) {
	if in.Features, err = records[pb.Feature](s, Features); err != nil {
		return in, err
	}
	if in.Browsers, err = records[pb.Browser](s, Browsers); err != nil {
		return in, err
	}
	in.Usage, err = records[pb.Usage](s, Usage)
	return in, err
}

func records[M any, P interface {
	*M
	proto.Message
}](s *logic.Session, n dataset.Name) ([]*M, error) {
	var out []*M
	for m, err := range logic.Records[M, P](s, n) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}
