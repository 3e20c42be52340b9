package sidecar

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// stubsProgram is an application: it has generated stubs and no more.
const stubsProgram = `package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/holdfast-data/holdfast/sidecar/testdata/stubs/usagepb"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	c := usagepb.NewUsageServiceClient(conn)
	u, err := c.GetUsage(ctx, &usagepb.GetUsageRequest{Region: "R1"})
	if err != nil {
		return err
	}
	fmt.Println(u.GetRegion(), u.GetTotal(), u.GetShares()[0].GetBrowser(), u.GetShares()[0].GetPercent())
	batch, err := c.BatchGetUsage(ctx, &usagepb.BatchGetUsageRequest{Keys: []*usagepb.GetUsageRequest{{Region: "R0"}, {Region: "none"}}})
	if err != nil {
		return err
	}
	fmt.Println(len(batch.GetResults()), batch.GetResults()[0].GetRecord().GetRegion(), batch.GetResults()[1].Record == nil)
	stream, err := c.ListUsage(ctx, &usagepb.ListUsageRequest{})
	if err != nil {
		return err
	}
	n := 0
	for ; err == nil; n++ {
		_, err = stream.Recv()
	}
	fmt.Println(n-1, err)
	return nil
}
`

// TestGeneratedStubs generates Go from the .proto that a sidecar hands out and
// runs a program with it.
func TestGeneratedStubs(t *testing.T) {
	s := serving(t)
	schema, err := holdfastv1.NewLookupClient(dial(t, s.Addr())).Schema(t.Context(), &holdfastv1.SchemaRequest{Dataset: "usage"})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs("testdata/stubs") // which is not really there
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	place := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), filepath.Base(name))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(folder, name)] = path
		return path
	}
	place("main.go", []byte(stubsProgram))
	for name, content := range generateGo(t, schema.GetProto()) {
		place(filepath.Join("usagepb", name), []byte(content))
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	got := command(t, nil, "go", "run", "-overlay", place("overlay.json", b), "./testdata/stubs", s.Addr())
	if want := "R1 1 b 1.5\n2 R0 true\n20 EOF\n"; string(got) != want {
		t.Errorf("the program printed %q, want %q", got, want)
	}
}

// generateGo runs the pinned generators on one file and returns theirs.
func generateGo(t *testing.T, source string) map[string]string {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"usage.proto": source})}}
	files, err := c.Compile(t.Context(), "usage.proto")
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	request, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"usage.proto"},
		Parameter:      new("paths=source_relative,Musage.proto=github.com/holdfast-data/holdfast/sidecar/testdata/stubs/usagepb"),
		ProtoFile:      []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		var response pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(command(t, request, "go", "tool", "-modfile=../tools/protoc/go.mod", plugin), &response); err != nil {
			t.Fatal(err)
		}
		if response.Error != nil {
			t.Fatalf("%s: %s", plugin, response.GetError())
		}
		for _, f := range response.File {
			out[f.GetName()] = f.GetContent()
		}
	}
	return out
}

func command(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &errs)
	}
	return out
}
