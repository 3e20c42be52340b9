package kill

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// Place makes an empty store for a fight, and may use dir for it. leave is
// called when the fight is over.
type Place func(ctx context.Context, dir string) (location string, leave func(), err error)

// Main is the main of a command that fights at a place, by flags, and prints
// the report. The holdfast command is built in the folder module. A nil place
// is a folder. Main ends the process: with 0 if nothing was wrong, else with 1.
func Main(module string, place Place) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, module, place)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func command(ctx context.Context, module string, place Place) (err error) {
	cfg := flags()
	if cfg.Dir, err = os.MkdirTemp("", "holdfast-kill-"); err != nil {
		return err
	}
	cfg.Binary = filepath.Join(cfg.Dir, "holdfast")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", module, "-o", cfg.Binary, "./cmd/holdfast").CombinedOutput(); err != nil {
		return fmt.Errorf("build holdfast: %w: %s", err, out)
	}
	report, err := at(ctx, cfg, place)
	if err != nil {
		return err
	}
	text := fmt.Sprintln(report)
	for _, p := range report.Problems {
		text += "  " + p + "\n"
	}
	fmt.Print(text)
	if len(report.Problems) > 0 {
		err := os.WriteFile(filepath.Join(cfg.Dir, "report.txt"), []byte(text), 0o600)
		return errors.Join(fmt.Errorf("%s is left to look at", cfg.Dir), err)
	}
	return os.RemoveAll(cfg.Dir)
}

// at fights at a place, and leaves it.
func at(ctx context.Context, cfg Config, place Place) (*Report, error) {
	if place != nil {
		location, leave, err := place(ctx, cfg.Dir)
		if err != nil {
			return nil, err
		}
		defer leave()
		cfg.Store = location
	}
	return Run(ctx, cfg)
}

// flags reads the flags.
func flags() Config {
	cfg := Config{Log: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	flag.Uint64Var(&cfg.Seed, "seed", uint64(time.Now().Unix()), "decides who is harmed, how and when")
	flag.IntVar(&cfg.Runs, "runs", 500, "publishes to harm; 0: fight for -for")
	flag.DurationVar(&cfg.For, "for", 10*time.Minute, "how long to fight, with -runs 0 or -harmless")
	flag.IntVar(&cfg.Publishers, "publishers", 4, "how many publish at once")
	flag.BoolVar(&cfg.Harmless, "harmless", false, "only race, for -for")
	flag.Parse()
	if cfg.Harmless {
		cfg.Runs = 0
	}
	return cfg
}
