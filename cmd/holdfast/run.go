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
	load := func() (sidecar.Config, *daemon.Origins, error) {
		cfg := sidecar.DefaultConfig()
		sources := daemon.Sources{File: file, Environ: os.Environ(), Flags: map[string]string{}}
		for key, value := range flags {
			if c.Flags().Changed(key) {
				sources.Flags[key] = *value
			}
		}
		origins, err := daemon.Load(&cfg, sources)
		cfg.Where = origins.Given
		return cfg, origins, err
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" && store == "" {
			return errors.New("name --config FILE or --store DIR\nTry: holdfast run --help")
		}
		cfg, origins, err := load()
		if err != nil {
			return err
		}
		if printConfig {
			if store != "" {
				fmt.Fprintf(c.OutOrStdout(), "# everything in the store %s (flag --store)\n", cloud.Shown(store))
			}
			shown := cfg.Shown()
			// Also of what is refused: it says where the wrong value is from.
			if err := origins.Print(c.OutOrStdout(), &shown); err != nil {
				return err
			}
			return cfg.FromStore(store).Validate()
		}
		ctx, stop := context.WithCancel(c.Context())
		defer stop()
		go collector.Follow(ctx)
		log := logger(c)
		warnStrays(&cfg, os.Environ(), log)
		s, err := sidecar.Open(c.Context(), cfg.FromStore(store), sidecar.Options{Logger: log})
		if err != nil {
			return err
		}
		if store != "" && len(s.Status().Datasets) == 0 {
			if err := nothingServed(ctx, store, s.Ready(), log); err != nil {
				return errors.Join(err, s.Close())
			}
		}
		fmt.Fprintln(c.ErrOrStderr(), listening(s))
		go warnAbsent(ctx, cfg.Datasets, log) // a store may take its time to answer
		go daemon.OnHangup(ctx, func() {
			cfg, _, err := load()
			if err == nil {
				err = s.Reload(ctx, cfg.FromStore(store))
			}
			if err != nil {
				log.Error("declarations are not reloaded: what was declared before is served on", "error", err)
				return
			}
			warnAbsent(ctx, cfg.Datasets, log)
		})
		return s.Run(c.Context())
	}
	return c
}

// warnStrays warns of variables that look like settings and are none: more often
// than not they are misspelt.
func warnStrays(cfg *sidecar.Config, environ []string, log *slog.Logger) {
	for _, stray := range daemon.Strays(cfg, environ, "HOLDFAST_STORE", logic.EnvAddress, logic.EnvSession) {
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
