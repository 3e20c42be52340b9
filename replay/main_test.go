package replay_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/logic"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// The test binary is also the commands that are replayed: it is one if its only
// argument is the name of one. Their input is dataset usage, their output
// dataset availability; see honest.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && commands[os.Args[1]] != nil {
		commands[os.Args[1]]()
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // which the commands would do each
	goleak.VerifyTestMain(m)
}

type emitFunc = func(proto.Message) error

var prod = main(func(a *pb.Availability, _ *logic.Session) *pb.Availability { return a })

// commands are the logic and its defects.
var commands = map[string]func(){
	// prod is the logic whose output counts.
	"prod": prod,
	// rewritten does the same in another order, some of it over another API.
	"rewritten": func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit emitFunc) error {
			var regions []string
			for u, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
				if err != nil {
					return err
				}
				regions = append(regions, u.GetRegion())
			}
			slices.Sort(regions)
			for _, region := range slices.Backward(regions) {
				u, err := logic.Get[pb.Usage](s, featuregate.Usage, region)
				if err != nil {
					return err
				}
				if err := emit(honest(u)); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"one_record": main(func(a *pb.Availability, _ *logic.Session) *pb.Availability {
		if a.GetRegion() == "R3" {
			return nil
		}
		return a
	}),
	"one_field": main(func(a *pb.Availability, _ *logic.Session) *pb.Availability {
		if a.GetRegion() == "R3" {
			a.Available = !a.Available
		}
		return a
	}),
	"clock": main(func(a *pb.Availability, _ *logic.Session) *pb.Availability {
		a.TotalPercent = float64(time.Now().UnixNano())
		return a
	}),
	"clock_seconds": main(func(a *pb.Availability, _ *logic.Session) *pb.Availability {
		a.TotalPercent = float64(time.Now().Unix())
		return a
	}),
	"session_clock": main(func(a *pb.Availability, s *logic.Session) *pb.Availability {
		a.TotalPercent = float64(s.Clock().Unix()) + float64(s.Seed())
		return a
	}),
	"random": main(func(a *pb.Availability, _ *logic.Session) *pb.Availability {
		a.FullPercent = rand.Float64()
		return a
	}),
	"map_order": func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit emitFunc) error {
			regions := map[string]*pb.Usage{}
			for u, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
				if err != nil {
					return err
				}
				regions[u.GetRegion()] = u
			}
			place := 0.0
			for _, u := range regions {
				a := honest(u)
				place++
				a.PartialPercent = place
				if err := emit(a); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"not_given": func() { logic.Main(notGiven(false)) },
	"not_given_generic": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			// It goes on with a default, which must not count.
			_, _ = holdfastv1.NewLookupClient(conn).Get(ctx, &holdfastv1.GetRequest{Dataset: "browsers", Key: []string{"b"}})
			emitAll(ctx, conn, nil)
		})
	},
	"not_given_swallowed": func() { logic.Main(notGiven(true)) },
	"another_version": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			stream, err := holdfastv1.NewLookupClient(conn).List(ctx, &holdfastv1.ListRequest{Dataset: "usage", Version: "20200101000000000"})
			if err == nil {
				_, _ = stream.Recv()
			}
			emitAll(ctx, conn, nil)
		})
	},
	"crash": func() { fmt.Fprintln(os.Stderr, "no such luck"); os.Exit(7) },
	"crash_later": func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit emitFunc) error { crashLater(s, emit); return nil })
	},
	"panic": func() { logic.Main(func(context.Context, *logic.Session, emitFunc) error { panic("oh") }) },
	"gives_up": func() {
		logic.Main(func(context.Context, *logic.Session, emitFunc) error { return errors.New("I would rather not") })
	},
	"hang": func() {
		if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
			_, _ = l.Accept() // nobody comes
		}
	},
	"plain":     func() { call(func(ctx context.Context, conn *grpc.ClientConn) { emitAll(ctx, conn, nil) }) },
	"no_commit": func() { call(func(ctx context.Context, conn *grpc.ClientConn) { emitOnly(ctx, conn, nil) }) },
	"silent":    func() {},
	"committed_then_crash": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) { emitAll(ctx, conn, nil); os.Exit(1) })
	},
	"garbage": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			emitAll(ctx, conn, []*holdfastv1.OutputRecord{{Form: &holdfastv1.OutputRecord_Message{Message: []byte("\xff\xff not a message")}}})
		})
	},
	"unknown_fields": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			emitAll(ctx, conn, []*holdfastv1.OutputRecord{{Form: &holdfastv1.OutputRecord_Message{Message: []byte{0xa2, 0x06, 1, 'x'}}}})
		})
	},
	"twice": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			emitAll(ctx, conn, []*holdfastv1.OutputRecord{
				{Form: &holdfastv1.OutputRecord_Json{Json: `{"feature":"f","region":"R1"}`}},
				{Form: &holdfastv1.OutputRecord_Json{Json: `{"feature":"f","region":"R1","available":true}`}},
			})
		})
	},
	"each_twice": func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit emitFunc) error {
			for a, err := range decisions(s) {
				if err = errors.Join(err, emit(a), emit(a)); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"twice_equal": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			emitAll(ctx, conn, []*holdfastv1.OutputRecord{{Form: &holdfastv1.OutputRecord_Json{Json: `{"feature":"f","region":"R1","totalPercent":61,"available":true}`}}})
		})
	},
	"other_output": func() {
		call(func(ctx context.Context, conn *grpc.ClientConn) {
			_, _ = holdfastv1.NewLogicClient(conn).Begin(ctx, &holdfastv1.BeginRequest{Output: "usage"})
			emitAll(ctx, conn, nil)
		})
	},
	"no_session": func() {
		call(func(_ context.Context, conn *grpc.ClientConn) { emitAll(context.Background(), conn, nil) })
	},
	"nothing":    func() { logic.Main(func(context.Context, *logic.Session, emitFunc) error { return nil }) },
	"background": func() { background(); prod() },
	"intruder": intruder("intruder", func(ctx context.Context, dir string) error {
		return publish(ctx, dir, featuregate.Browsers, "intruder", browser())
	}),
	"pins": intruder("pins", func(ctx context.Context, dir string) error {
		return inLog(ctx, dir, func(l *announce.Log, f announce.Fold) error {
			_, err := l.Pin(ctx, announce.Author{Name: "intruder"}, f.Head)
			return err
		})
	}),
	"prunes":        intruder("prunes", func(ctx context.Context, dir string) error { return prune(ctx, dir, "intruder") }),
	"deletes":       intruder("deletes", func(_ context.Context, dir string) error { return oldest(dir, "blobs", os.Remove) }),
	"deletes_entry": intruder("deletes_entry", func(_ context.Context, dir string) error { return oldest(dir, "log", os.Remove) }),
	"damages": intruder("damages", func(_ context.Context, dir string) error {
		return oldest(dir, "blobs", func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("x"), 0o600))
		})
	}),
	"touches": intruder("touches", func(_ context.Context, dir string) error {
		return oldest(dir, "versions", func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.Chmod(path, 0o600), os.WriteFile(path, b, 0o600))
		})
	}),
	// prod_goes_on does in PROD's store what PROD does itself.
	"prod_goes_on": intruder("prod_goes_on", func(ctx context.Context, dir string) error {
		return errors.Join(publish(ctx, dir, featuregate.Browsers, "editions", browser()), prune(ctx, dir, "editions"))
	}),
}

// honest is the decision about a region.
func honest(u *pb.Usage) *pb.Availability {
	a := &pb.Availability{Feature: "f", Region: u.GetRegion()}
	for _, x := range u.GetShares() {
		a.TotalPercent += x.GetPercent()
	}
	a.Available = a.TotalPercent > 50
	return a
}

// main is a command that emits what change makes of each honest decision.
func main(change func(*pb.Availability, *logic.Session) *pb.Availability) func() {
	return func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit emitFunc) error {
			for a, err := range decisions(s) {
				if err != nil {
					return err
				}
				if a = change(a, s); a == nil {
					continue
				}
				if err := emit(a); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func decisions(s *logic.Session) iter.Seq2[*pb.Availability, error] {
	return func(yield func(*pb.Availability, error) bool) {
		for u, err := range logic.Records[pb.Usage](s, featuregate.Usage) {
			if err != nil || !yield(honest(u), nil) {
				yield(nil, err)
				return
			}
		}
	}
}

// notGiven reads a dataset that is in the store, but not in the session.
func notGiven(swallow bool) logic.Func {
	return func(_ context.Context, s *logic.Session, emit emitFunc) error {
		for _, err := range logic.Records[pb.Browser](s, featuregate.Browsers) {
			if err != nil && !swallow {
				return err
			}
		}
		for a, err := range decisions(s) {
			if err != nil {
				return err
			}
			if err := emit(a); err != nil {
				return err
			}
		}
		return nil
	}
}

// crashLater dies with half of its output emitted.
func crashLater(s *logic.Session, emit emitFunc) {
	for a, _ := range decisions(s) { // whose errors do not matter to it
		_ = emit(a)
		if a.GetRegion() == "R3" {
			os.Exit(9)
		}
	}
}

// call is a command without the SDK, as in another language.
func call(f func(context.Context, *grpc.ClientConn)) {
	conn, err := grpc.NewClient(os.Getenv(logic.EnvAddress), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	f(metadata.AppendToOutgoingContext(context.Background(), "holdfast-session", os.Getenv(logic.EnvSession)), conn)
}

// emitAll emits PROD's decisions and some more, and does not care for errors.
func emitAll(ctx context.Context, conn *grpc.ClientConn, more []*holdfastv1.OutputRecord) {
	emitOnly(ctx, conn, more)
	_, _ = holdfastv1.NewLogicClient(conn).Commit(ctx, &holdfastv1.CommitRequest{})
}

func emitOnly(ctx context.Context, conn *grpc.ClientConn, more []*holdfastv1.OutputRecord) {
	_, _ = holdfastv1.NewLogicClient(conn).Begin(ctx, &holdfastv1.BeginRequest{})
	list, err := holdfastv1.NewLookupClient(conn).List(ctx, &holdfastv1.ListRequest{Dataset: "usage"})
	if err != nil {
		return
	}
	stream, err := holdfastv1.NewLogicClient(conn).Emit(ctx)
	if err != nil {
		return
	}
	for {
		record, err := list.Recv()
		if err != nil {
			break
		}
		var u pb.Usage
		if proto.Unmarshal(record.GetMessage(), &u) != nil {
			return
		}
		b, _ := proto.Marshal(honest(&u))
		_ = stream.Send(&holdfastv1.EmitRequest{Records: []*holdfastv1.OutputRecord{{Form: &holdfastv1.OutputRecord_Message{Message: b}}}})
	}
	if len(more) > 0 {
		_ = stream.Send(&holdfastv1.EmitRequest{Records: more})
	}
	_, _ = stream.CloseAndRecv()
}

// background leaves a process behind that never ends.
func background() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p, err := os.StartProcess(self, []string{self, "hang"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Getenv("BACKGROUND_PID"), fmt.Appendf(nil, "%d", p.Pid), 0o600); err != nil {
		panic(err)
	}
}

// intruder does something to PROD's own store, then what PROD does. The file
// named after it holds the store's folder.
func intruder(name string, do func(ctx context.Context, dir string) error) func() {
	return func() {
		dir, err := os.ReadFile(name + ".store")
		if err == nil {
			err = do(context.Background(), strings.TrimSpace(string(dir)))
		}
		if err != nil {
			panic(err)
		}
		prod()
	}
}

func browser() []proto.Message {
	return []proto.Message{&pb.Browser{Id: fmt.Sprint(time.Now().UnixNano())}}
}

func inLog(ctx context.Context, dir string, do func(*announce.Log, announce.Fold) error) error {
	store, err := blob.OpenDir(dir)
	if err != nil {
		return err
	}
	log := announce.Open(store, featuregate.Browsers)
	f, err := log.Refresh(ctx)
	if err != nil {
		return err
	}
	return do(log, f)
}

// prune deletes all versions of the browsers but the newest.
func prune(ctx context.Context, dir, who string) error {
	store, err := blob.OpenDir(dir)
	if err != nil {
		return err
	}
	_, err = announce.Pruner{Store: store, Dataset: featuregate.Browsers, Policy: blob.PrunePolicy{Keep: 1}}.Run(ctx, announce.Author{Name: who})
	return err
}

// oldest does something to the first file of a folder of the browsers, which no
// session here reads.
func oldest(dir, folder string, do func(path string) error) error {
	files, err := filepath.Glob(filepath.Join(dir, string(featuregate.Browsers), folder, "*"))
	if err != nil || len(files) == 0 {
		return err
	}
	return do(files[0])
}
