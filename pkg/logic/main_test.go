package logic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// The test binary is also the commands of command_test.go: it is one if its only
// argument is the name of one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "supervise" {
		os.Exit(logic.Supervise(os.Args[2:]))
	}
	if len(os.Args) == 2 && commands[os.Args[1]] != nil {
		commands[os.Args[1]]()
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // which the commands would do each
	goleak.VerifyTestMain(m)
}

var commands = map[string]func(){
	"look_up":      lookUp,
	"sdk":          func() { logic.Main(sdk) },
	"phases":       phases,
	"read_records": func() { logic.Main(readRecords) },
	"read_get":     func() { logic.Main(readGet) },
	"read_batch":   func() { logic.Main(readBatch) },
	"misread":      func() { logic.Main(misread) },
	"get":          func() { logic.Main(misreadOne) },
	"misemit":      func() { logic.Main(misemit) },
	"nothing": func() {
		logic.Main(func(context.Context, *logic.Session, func(proto.Message) error) error { return nil })
	},
	"host": host,
	"scratch": func() {
		dir, _, err := logic.Scratch()
		if err != nil {
			panic(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Print(dir)
		_, _ = l.Accept() // nobody comes
	},

	"supervising host": supervisingHost,
}

// hideScript starts a process that leaves its group, its session, its parent
// and its environment, and says who it is in the file pid.
const hideScript = `setsid setsid env -i sh -c 'echo $$ >pid.new; mv pid.new pid; exec tail -f /dev/null' </dev/null >/dev/null 2>&1 &
while [ ! -f pid ]; do :; done; `

// supervisingHost does what host does, with a supervisor.
func supervisingHost() {
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := &logic.Command{
		Args: []string{"sh", "-c", hideScript + "echo started; exec tail -f /dev/null"}, Print: os.Stdout,
		Supervisor: []string{self, "supervise"},
	}
	_, err = c.Logic(featuregate.Output, mapping).Compute(context.Background(), logic.NewSession(nil, time.Time{}, 0))
	panic(err)
}

// host runs a command that says its process id and then never ends.
func host() {
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		panic(err)
	}
	c := &logic.Command{Args: []string{"sh", "-c", "echo $$; exec tail -f /dev/null"}, Print: os.Stdout}
	_, err = c.Logic(featuregate.Output, mapping).Compute(context.Background(), logic.NewSession(nil, time.Time{}, 0))
	panic(err)
}

// say prints a line of a test's transcript.
func say(what string, answer any, err error) {
	text := fmt.Sprint(answer)
	switch x := answer.(type) {
	case proto.Message:
		b, _ := protojson.Marshal(x)
		var plain any // without protojson's random spaces
		_ = json.Unmarshal(b, &plain)
		b, _ = json.Marshal(plain)
		text = string(b)
	}
	if err != nil {
		text = status.Code(err).String() + " " + status.Convert(err).Message()
	}
	fmt.Printf("%s: %s\n", what, text)
}

func dial() (context.Context, *grpc.ClientConn) {
	conn, err := grpc.NewClient(os.Getenv(logic.EnvAddress), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	return metadata.AppendToOutgoingContext(context.Background(), "holdfast-session", os.Getenv(logic.EnvSession)), conn
}

// lookUp asks the generic and the typed service.
func lookUp() {
	ctx, conn := dial()
	l := holdfastv1.NewLookupClient(conn)
	datasets, err := l.Datasets(ctx, &holdfastv1.DatasetsRequest{})
	say("Datasets", datasets, err)
	for _, key := range [][]string{{"KR"}, {"XX"}, {"KR", "KR"}} {
		got, err := l.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Key: key})
		say(fmt.Sprint("Get ", key), got.GetRecord().GetJson(), err)
	}
	batch, err := l.BatchGet(ctx, &holdfastv1.BatchGetRequest{Dataset: "usage", Keys: []*holdfastv1.Key{{Values: []string{"KR"}}, {Values: []string{"XX"}}}})
	say("BatchGet", len(batch.GetResults()), err)
	mapping, err := featuregate.Mapping(featuregate.Usage)
	if err != nil {
		panic(err)
	}
	file, err := protomap.Redeclare(mapping, featuregate.Usage)
	if err != nil {
		panic(err)
	}
	methods := file.Services().Get(0).Methods()
	for _, x := range [][2]string{
		{"GetUsage", `{"region":"KR"}`}, {"GetUsage", `{"region":"XX"}`},
		{"BatchGetUsage", `{"keys":[{"region":"XX"},{"region":"KR"}]}`},
	} {
		m := methods.ByName(protoreflect.Name(x[0]))
		in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
		if err := protojson.Unmarshal([]byte(x[1]), in); err != nil {
			panic(err)
		}
		err := conn.Invoke(ctx, fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), in, out)
		say(x[0]+" "+x[1], out, err)
	}
	err = conn.Invoke(ctx, "/holdfast.data.browsers.BrowserService/GetBrowser", &holdfastv1.StatusRequest{}, &holdfastv1.StatusRequest{})
	say("GetBrowser", "", err)
}

// sdk reads as a Go logic does.
func sdk(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
	fmt.Println(s.Clock(), s.Seed(), s.Inputs()[0].Dataset)
	n := 0
	for u, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
		if err != nil {
			return err
		}
		n++
		if u.GetRegion() == "" {
			break
		}
	}
	for _, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
		if err != nil {
			return err
		}
		break // which ends the call
	}
	u, err := logic.Get[pb.Usage](s, featuregate.Usage, "KR")
	fmt.Println(n, u.GetName(), err)
	none, err := logic.Get[pb.Usage](s, featuregate.Usage, "XX")
	fmt.Println(none == nil, err)
	many, err := logic.BatchGet[pb.Usage](s, featuregate.Usage, slices.Repeat([][]string{{"KE"}, {"XX"}, {"KR"}}, 300))
	fmt.Println(len(many), many[897].GetName(), many[898] == nil, many[899].GetName(), err)
	_, err = s.View(featuregate.Usage)
	fmt.Println(err)
	return emit(&pb.Availability{Feature: "f", Region: u.GetRegion()})
}

// misread goes on without what it cannot read.
func misread(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
	total := 0.0
	for u, _ := range logic.Records[pb.Usage](s, featuregate.Usage) { // whose errors do not matter to it
		for _, x := range u.GetShares() {
			total += x.GetPercent()
		}
	}
	return emit(&pb.Availability{Feature: "f", Region: "r", TotalPercent: total})
}

func misreadOne(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
	u, _ := logic.Get[pb.Usage](s, featuregate.Usage, "KR")
	return emit(&pb.Availability{Feature: "f", Region: u.GetRegion()})
}

// misemit emits a message of another dataset, and does not mind the answer.
func misemit(_ context.Context, _ *logic.Session, emit func(proto.Message) error) error {
	_ = emit(&pb.Feature{Id: "f", Title: "t"})
	return nil
}

// phases calls in a wrong order.
func phases() {
	ctx, conn := dial()
	l := holdfastv1.NewLogicClient(conn)
	record := &holdfastv1.EmitRequest{Records: []*holdfastv1.OutputRecord{{Form: &holdfastv1.OutputRecord_Json{Json: `{"feature":"f","region":"r"}`}}}}
	emit := func() error {
		stream, err := l.Emit(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(record)
		_, err = stream.CloseAndRecv()
		return err
	}
	say("Emit", "", emit())
	_, err := l.Begin(ctx, &holdfastv1.BeginRequest{Inputs: []string{"usage"}, Output: "availability"})
	say("Begin", "", err)
	_, err = l.Begin(ctx, &holdfastv1.BeginRequest{})
	say("Begin again", "", err)
	say("Emit", "", emit())
	committed, err := l.Commit(ctx, &holdfastv1.CommitRequest{Records: proto.Uint64(2)})
	say("Commit", committed, err)
}
