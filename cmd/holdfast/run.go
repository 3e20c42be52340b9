package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/sidecar"
)

func newRun() *cobra.Command {
	var file, store string
	var printConfig bool
	c := &cobra.Command{
		Use:   "run (--config FILE | --store DIR)",
		Short: "Serve datasets to applications, and follow their new versions",
		Long: `Run is the sidecar: it holds a complete copy of every dataset that its
configuration declares, follows new versions, and answers typed look-ups over
gRPC. With --store alone it serves everything in a store. It stops on SIGTERM or
Ctrl-C, after the calls under way.

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
	f.BoolVar(&printConfig, "print-config", false, "print the effective configuration and where each value is from, and stop")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" && store == "" {
			return errors.New("name --config FILE or --store DIR\nTry: holdfast run --help")
		}
		cfg := sidecar.DefaultConfig()
		sources := daemon.Sources{File: file, Environ: os.Environ(), Flags: map[string]string{}}
		for key, value := range flags {
			if c.Flags().Changed(key) {
				sources.Flags[key] = *value
			}
		}
		origins, err := daemon.Load(&cfg, sources)
		if err != nil {
			return err
		}
		if printConfig {
			return origins.Print(c.OutOrStdout(), &cfg)
		}
		if store != "" {
			cfg = cfg.FromStore(store)
		}
		s, err := sidecar.Open(c.Context(), cfg, sidecar.Options{Logger: logger(c)})
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "look-ups on %s, admin on http://%s\n", s.Addr(), s.AdminAddr())
		return s.Run(c.Context())
	}
	return c
}
