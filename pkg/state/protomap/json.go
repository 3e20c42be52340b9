package protomap

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// JSON returns r, a record of the root type, as ProtoJSON on one line, with
// proto names and default values, but without the fields that are LeftOut. Equal
// records give equal bytes.
func (m *Mapping) JSON(r state.Record) ([]byte, error) {
	b, err := m.Append(nil, r)
	if err != nil {
		return nil, err
	}
	msg := dynamicpb.NewMessage(m.printed)
	if err := proto.Unmarshal(b, msg); err != nil {
		return nil, fmt.Errorf("print record: %w", err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("print record: %w", err)
	}
	var out bytes.Buffer // the encoder's spacing varies on purpose
	if err := json.Compact(&out, text); err != nil {
		return nil, fmt.Errorf("print record: %w", err)
	}
	return out.Bytes(), nil
}
