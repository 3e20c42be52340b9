package logic_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/logic"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// envCommand makes a command of the test binary: the name of one of commands.
const envCommand = "LOGIC_TEST_COMMAND"

func TestMain(m *testing.M) {
	if name := os.Getenv(envCommand); name != "" {
		commands[name]()
		return
	}
	goleak.VerifyTestMain(m)
}

// commands are programs that run as a logic.
var commands = map[string]func(){
	"copy": func() {
		logic.Main(func(_ context.Context, s *logic.Session, emit func(proto.Message) error) error {
			for m, err := range logic.Records[holdfastv1.Key](s, "words") {
				if err != nil {
					return err
				}
				if err := emit(m); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"hang":  func() { time.Sleep(time.Hour) },
	"crash": func() { fmt.Fprintln(os.Stderr, "boom"); os.Exit(7) },
}
