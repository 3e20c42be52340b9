package testenv

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// lookUp asks a sidecar's typed service for the record with a key of text
// fields, as a client without generated stubs does. It returns the record as
// JSON and how long the second of two calls took.
func lookUp(ctx context.Context, address string, m *protomap.Mapping, n dataset.Name, key ...string) (string, time.Duration, error) {
	file, err := protomap.Redeclare(m, n)
	if err != nil {
		return "", 0, err
	}
	method := file.Services().Get(0).Methods().Get(0) // Get…
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	request := dynamicpb.NewMessage(method.Input())
	for i, text := range key {
		request.Set(method.Input().Fields().ByNumber(protoreflect.FieldNumber(i+1)), protoreflect.ValueOfString(text))
	}
	path := fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
	answer := dynamicpb.NewMessage(method.Output())
	var took time.Duration
	for range 2 { // the first call connects
		start := time.Now()
		if err := conn.Invoke(ctx, path, request, answer); err != nil {
			return "", 0, fmt.Errorf("look up %s %v: %w", n, key, err)
		}
		took = time.Since(start)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(answer)
	return string(text), took, err
}
