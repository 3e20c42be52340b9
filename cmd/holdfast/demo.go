package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/testenv"
)

func newDemo() *cobra.Command {
	var cfg testenv.DemoConfig
	var serve, asJSON, verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Do the whole job on real data, in one process",
		Long: `Demo publishes real editions of web feature support, usage and browsers as
versions of three datasets, follows them with two gossiping sidecars, decides
for each feature and region whether the feature can be used there, and then
judges a candidate for the decision's next release: it replays the candidate on
exactly the data that PROD decided on and compares every decision.

With --dir it says at the end what is in that folder.

It exits with 0 when the demo worked, whether the candidate is a GO or a NO-GO.`,
		Example: "  holdfast demo\n  holdfast demo --dir ./demo --serve",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&cfg.Data, "data", "", "folder of editions to use instead of the embedded ones")
	f.StringVar(&cfg.Dir, "dir", "", "folder to keep the stores in; it is made, and must be empty (default: a temporary one)")
	f.BoolVar(&serve, "serve", false, "keep everything running at the end, until interrupted")
	f.BoolVar(&asJSON, "json", false, "print one JSON object and nothing else on standard output")
	f.BoolVar(&verbose, "verbose", false, "show what the parts log")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg.Story, cfg.Progress = c.OutOrStdout(), c.ErrOrStderr()
		if asJSON {
			cfg.Story = io.Discard
		}
		cfg.Logger = quiet(c)
		if verbose {
			cfg.Logger = logger(c)
		}
		printed := false
		print := func(r *testenv.DemoResult) error {
			if !asJSON || printed {
				return nil
			}
			printed = true
			return json.NewEncoder(c.OutOrStdout()).Encode(r)
		}
		if serve {
			cfg.Serve = func(ctx context.Context, r *testenv.DemoResult, at testenv.Address) error {
				if err := print(r); err != nil {
					return err
				}
				tryIt(cfg.Story, at)
				<-ctx.Done()
				return nil
			}
		}
		r, err := testenv.Demo(c.Context(), cfg)
		if err != nil {
			return err
		}
		return print(r)
	}
	return c
}

// thisProgram is how a person calls it again: "go run" leaves no program behind.
func thisProgram() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/holdfast"
	}
	return os.Args[0]
}

// tryIt prints commands that work while the demo is serving.
func tryIt(w io.Writer, at testenv.Address) {
	fmt.Fprintf(w, `
Everything is still running. Try, in another terminal (Ctrl-C here ends it):

  curl http://%[2]s/status
  grpcurl -plaintext %[1]s list
  grpcurl -plaintext -d '{"feature":"aac","region":"KR"}' %[1]s holdfast.data.availability.AvailabilityService/GetAvailability
  export HOLDFAST_ADDRESS=%[1]s
  %[4]s get availability aac KR
  %[4]s versions availability
  %[4]s ls
  %[4]s verify %[3]s
`, at.GRPC, at.Admin, at.Store, thisProgram())
}
