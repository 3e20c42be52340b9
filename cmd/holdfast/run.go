package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/internal/collector"
	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/sidecar"
)

func newRun() *cobra.Command {
	var file, store string
	var printConfig bool
	c := &cobra.Command{
		Use:        "run [--config FILE] [--store DIR]",
		SuggestFor: []string{"serve", "start", "sidecar"},
		Short:      "Serve datasets to applications, and follow their new versions",
		Long: `Run is the sidecar: it holds a complete copy of every dataset that its
configuration declares, follows new versions, and answers typed look-ups over
gRPC. With --store it serves everything in a store; the configuration, if there
is one, declares no datasets then. It stops on SIGTERM or Ctrl-C, after the calls
under way. On SIGHUP it reads the configuration again and serves the datasets that
are declared then; no call fails because of that.

docs/configuration.md describes the configuration file.`,
		Example: "  holdfast run --store ./store\n  holdfast run --config sidecar.yaml",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (YAML)")
	f.StringVar(&store, "store", "", "serve everything in this store")
	flags := map[string]*string{}
	for key, usage := range map[string]string{
		"listen": "address of the look-up service, host:port",
		"socket": "Unix socket of the look-up service",
		"admin":  "address of health, status and metrics, host:port",
		"poll":   "time between two looks at a store without news",
	} {
		flags[key] = f.String(key, "", usage+" (overrides the configuration)")
	}
	f.BoolVar(&printConfig, "print-config", false, "print the effective configuration and where each value is from, and stop; fail if run would refuse it")
	r := &runCommand{c: c, file: &file, store: &store, flags: flags}
	c.RunE = func(*cobra.Command, []string) error {
		if file == "" && store == "" {
			return errors.New("name --config FILE or --store DIR; HOLDFAST_STORE is of other commands\nTry: holdfast run --help")
		}
		cfg, origins, err := r.load()
		if err != nil {
			return err
		}
		if printConfig {
			return r.print(cfg, origins)
		}
		return r.run(cfg)
	}
	return c
}

// runCommand is what the command line of run says.
type runCommand struct {
	c           *cobra.Command
	file, store *string
	flags       map[string]*string // that override the configuration, by key
}

// load reads the configuration.
func (r *runCommand) load() (sidecar.Config, *daemon.Origins, error) {
	cfg := sidecar.DefaultConfig()
	sources := daemon.Sources{File: *r.file, Environ: os.Environ(), Flags: map[string]string{}}
	for key, value := range r.flags {
		if r.c.Flags().Changed(key) {
			sources.Flags[key] = *value
		}
	}
	origins, err := daemon.Load(&cfg, sources)
	cfg.Where = origins.Given
	return cfg, origins, err
}

// print prints the configuration, also one that is refused: it says where the wrong
// value is from.
func (r *runCommand) print(cfg sidecar.Config, origins *daemon.Origins) error {
	out := r.c.OutOrStdout()
	if *r.store != "" {
		fmt.Fprintf(out, "# everything in the store %s (flag --store)\n", cloud.Shown(*r.store))
	}
	shown := cfg.Shown()
	if err := origins.Print(out, &shown); err != nil {
		return err
	}
	return cfg.FromStore(*r.store).Validate()
}

// run serves until the command ends.
func (r *runCommand) run(cfg sidecar.Config) error {
	onHangup := daemon.CatchHangups() // before anything that a store keeps waiting
	ctx, stop := context.WithCancel(r.c.Context())
	defer stop()
	go collector.Follow(ctx, collector.Serving)
	log := logger(r.c)
	warnStrays(&cfg, os.Environ(), log)
	s, err := sidecar.Open(r.c.Context(), cfg.FromStore(*r.store), sidecar.Options{Logger: log})
	if err != nil {
		return err
	}
	if *r.store != "" && len(s.Status().Datasets) == 0 {
		if err := nothingServed(ctx, *r.store, s.Ready(), log); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	fmt.Fprintln(r.c.ErrOrStderr(), listening(s))
	go warnAbsent(ctx, cfg.Datasets, log) // a store may take its time to answer
	go func() {
		select {
		case <-s.Running():
			onHangup(ctx, func() { r.reload(ctx, s, log) })
		case <-ctx.Done():
		}
	}()
	return s.Run(r.c.Context())
}

// reload reads the configuration again and declares what it says.
func (r *runCommand) reload(ctx context.Context, s *sidecar.Sidecar, log *slog.Logger) {
	cfg, _, err := r.load()
	if err == nil {
		err = s.Reload(ctx, cfg.FromStore(*r.store))
	}
	if err != nil {
		log.Error("declarations are not reloaded: what was declared before is served on", "error", err)
		return
	}
	warnAbsent(ctx, cfg.Datasets, log)
}

// warnStrays warns of variables that look like settings and are none: more often
// than not they are misspelt.
func warnStrays(cfg *sidecar.Config, environ []string, log *slog.Logger) {
	for _, stray := range daemon.Strays(cfg, environ, storeVariable, logic.EnvAddress, logic.EnvSession) {
		args := []any{"variable", stray.Name}
		if stray.Near != "" {
			args = append(args, "did_you_mean", stray.Near)
		}
		log.Warn("no setting has this environment variable: it is ignored", args...)
	}
}

// nothingServed warns that a store has nothing to serve, for the reason why. The
// folder of a dataset will never have any, and is refused.
func nothingServed(ctx context.Context, location string, why error, log *slog.Logger) error {
	if store, err := cloud.Open(ctx, location); err == nil {
		if err := refuseDatasetFolder(ctx, store); err != nil {
			return err
		}
	}
	log.Warn(why.Error(), "store", cloud.Shown(location))
	return nil
}

// listening says where a sidecar can be asked.
func listening(s *sidecar.Sidecar) string {
	admin := "no admin server"
	if at := s.AdminAddr(); at != "" {
		admin = "admin on http://" + at
	}
	return fmt.Sprintf("look-ups on %s, %s", s.Addr(), admin)
}
