package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// CommandConfig says what commands are replayed. Control, Candidate and Outputs
// of the Config inside are not used.
type CommandConfig struct {
	Config
	// ControlCommand is PROD's logic, nil if there is none; CandidateCommand
	// the one under test.
	ControlCommand, CandidateCommand *logic.Command
	// Schema is that of the candidate's output; nil means PROD's.
	Schema *protomap.Mapping
	// Dir is the folder of the stores of the candidate's outputs, one for each
	// schema. It is made if it is missing. It must be apart from Store.
	Dir string
}

// Commands replays logic that runs as commands. It runs each evaluation with
// the schema that PROD's output had then. It is for one goroutine.
type Commands struct {
	cfg                CommandConfig
	control, candidate string // builds
	catalog            *replica.Catalog
	runners            map[dataset.Digest]*Runner // by schema
}

// OpenCommands returns Commands. It fails if a command cannot be found, with
// ErrProdStore if Dir is PROD's store, in it or around it, and with
// ErrForeignFolder if Dir has content that Commands never made.
func OpenCommands(cfg CommandConfig) (*Commands, error) {
	if err := errors.Join(Apart(cfg.Dir, cfg.Store), Kept(cfg.Dir, outputsName)); err != nil {
		return nil, fmt.Errorf("keep outputs: %w", err)
	}
	c := &Commands{cfg: cfg, catalog: replica.NewCatalog(cfg.Store, cfg.Output), runners: map[dataset.Digest]*Runner{}}
	var err error
	if c.candidate, err = cfg.CandidateCommand.Build(); err != nil {
		return nil, fmt.Errorf("candidate: %w", err)
	}
	if cfg.ControlCommand == nil {
		return c, nil
	}
	if c.control, err = cfg.ControlCommand.Build(); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return c, nil
}

// Candidate names the build under test.
func (c *Commands) Candidate() string { return c.candidate }

// Control names the build of the control, nothing if there is none.
func (c *Commands) Control() string { return c.control }

// Rules returns what is compared and judged by.
func (c *Commands) Rules() compare.Rules { return c.cfg.Rules }

// Replay does what Runner.Replay does. It fails with compare.ErrRule if the
// rules are not for this dataset. After an error it can be called again: it
// starts over from what is in the stores then.
func (c *Commands) Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error) {
	r, err := c.runner(ctx, e)
	if err == nil {
		report, err := r.Replay(ctx, e)
		if err != nil {
			clear(c.runners) // what they remember may be of a store that was replaced
		}
		return report, err
	}
	reason := missing(err)
	if reason == "" || errors.Is(err, compare.ErrRule) {
		return nil, fmt.Errorf("replay %s@%s: %w", c.cfg.Output, e.Output, err)
	}
	return &compare.Report{
		Candidate: c.candidate, Control: c.control, Rules: c.cfg.Rules, Output: e.Output, Evaluation: e,
		Verdict: compare.Inconclusive, Reasons: []string{reason},
	}, nil
}

// runner returns the Runner for the schema of what e made.
func (c *Commands) runner(ctx context.Context, e dataset.Evaluation) (*Runner, error) {
	f, err := announce.Open(c.cfg.Store, c.cfg.Output).Refresh(ctx)
	if err != nil {
		return nil, err
	}
	at, err := c.catalog.Find(ctx, f, e.Output)
	if err != nil {
		return nil, err
	}
	schema := at.Manifest.Schema
	if r := c.runners[schema]; r != nil {
		return r, nil
	}
	mapping, err := c.catalog.Mapping(ctx, schema)
	if err != nil {
		return nil, err
	}
	if mapping == nil {
		return nil, errors.New("the output declares no schema")
	}
	cfg := c.cfg.Config
	candidate := mapping
	if c.cfg.Schema != nil {
		candidate = c.cfg.Schema
	}
	if err := cfg.Rules.Check(mapping.Root(), mapping.Schemas(), candidate.Schemas()); err != nil {
		return nil, err
	}
	if c.cfg.ControlCommand != nil {
		cfg.Control = c.cfg.ControlCommand.Logic(cfg.Output, mapping)
		cfg.Control.Build = c.control
	}
	cfg.Candidate = c.cfg.CandidateCommand.Logic(cfg.Output, candidate)
	cfg.Candidate.Build = c.candidate
	own := dataset.DigestOf(append([]byte(c.candidate), schema[:]...)).String()[:16]
	if err := os.MkdirAll(c.cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if cfg.Outputs, err = blob.CreateDir(filepath.Join(c.cfg.Dir, own)); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r, err := Open(ctx, cfg)
	if err == nil {
		c.runners[schema] = r
	}
	return r, err
}
