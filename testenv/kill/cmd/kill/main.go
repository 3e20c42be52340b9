// Command kill has processes fight over one folder, kills and stops them, and
// says what came of it. Its exit code is 0 if nothing was wrong, else 1.
package main

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

	"github.com/holdfast-data/holdfast/testenv/kill"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	cfg := kill.Config{Log: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	flag.Uint64Var(&cfg.Seed, "seed", uint64(time.Now().Unix()), "decides who is harmed, how and when")
	flag.IntVar(&cfg.Runs, "runs", 500, "publishes to harm; 0: fight for -for")
	flag.DurationVar(&cfg.For, "for", 10*time.Minute, "how long to fight if -runs is 0")
	flag.IntVar(&cfg.Publishers, "publishers", 4, "how many publish at once")
	flag.BoolVar(&cfg.Harmless, "harmless", false, "only race; needs -runs 0")
	flag.Parse()
	if cfg.Harmless && cfg.Runs > 0 {
		return errors.New("-harmless harms nobody: use -runs 0 and -for")
	}
	if cfg.Dir, err = os.MkdirTemp("", "holdfast-kill-"); err != nil {
		return err
	}
	cfg.Binary = filepath.Join(cfg.Dir, "holdfast")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", cfg.Binary, "./cmd/holdfast").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	report, err := kill.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println(report)
	for _, p := range report.Problems {
		fmt.Println("  " + p)
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("%s is left to look at", cfg.Dir)
	}
	return os.RemoveAll(cfg.Dir)
}
