package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	// Build names the candidate; empty means by a digest, as
	// logic.Command.Build has it.
	Build string
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
	control, candidate *build // control is nil if there is none
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
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Commands{cfg: cfg, catalog: replica.NewCatalog(cfg.Store, cfg.Output), runners: map[dataset.Digest]*Runner{}}
	var err error
	if c.candidate, err = newBuild(cfg.CandidateCommand, cfg.Build); err != nil {
		return nil, fmt.Errorf("candidate: %w", err)
	}
	if cfg.ControlCommand == nil {
		return c, nil
	}
	if c.control, err = newBuild(cfg.ControlCommand, ""); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return c, nil
}

// Covers returns the files that the name of the candidate's build is a digest
// of, or of its program if a name was given.
func (c *Commands) Covers() []string { return c.candidate.covers }

// Report returns what is known of a run on the inputs of e before it is made, in
// which is all that its verdict depends on.
func (c *Commands) Report(e dataset.Evaluation) *compare.Report {
	r := &compare.Report{
		At: c.cfg.Now(), Candidate: c.candidate.name, Covers: c.candidate.covers, Terms: c.cfg.terms(),
		Rules: c.cfg.Rules, Output: e.Output, Evaluation: e, Verdict: compare.Inconclusive,
	}
	r.Terms.TimeoutSeconds = c.cfg.CandidateCommand.Timeout.Seconds()
	if c.cfg.Schema != nil {
		r.Terms.Schema = dataset.DigestOf(c.cfg.Schema.DescriptorSet())
	}
	r.Terms.Program = c.candidate.program
	if c.control != nil {
		r.Control, r.Terms.ControlProgram = c.control.name, c.control.program
	}
	return r
}

// Replay does what Runner.Replay does. It fails with compare.ErrRule if the
// rules are not for this dataset, and with ErrBuildChanged if a command is not
// what it was in OpenCommands. After an error it can be called again: it starts
// over from what is in the stores then.
func (c *Commands) Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error) {
	report := c.Report(e)
	err := c.check()
	if err == nil {
		err = c.replay(ctx, e, report)
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("replay %s@%s: %w", c.cfg.Output, e.Output, err)
	}
	return report, nil
}

// check fails if a command is not what it was.
func (c *Commands) check() error { return errors.Join(c.candidate.check(), c.control.check()) }

func (c *Commands) replay(ctx context.Context, e dataset.Evaluation, report *compare.Report) error {
	r, err := c.runner(ctx, e)
	if err == nil {
		if err = r.fill(ctx, e, report); err != nil {
			clear(c.runners) // what they remember may be of a store that was replaced
		}
		return err
	}
	reason := missing(err)
	if reason == "" || errors.Is(err, compare.ErrRule) {
		return err
	}
	report.Reasons = []string{reason}
	return nil
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
	r, err := c.open(ctx, mapping)
	if err == nil {
		c.runners[schema] = r
	}
	return r, err
}

// open returns a Runner for outputs of PROD's with a schema.
func (c *Commands) open(ctx context.Context, prod *protomap.Mapping) (*Runner, error) {
	cfg, candidate := c.cfg.Config, prod
	if c.cfg.Schema != nil {
		candidate = c.cfg.Schema
	}
	if err := cfg.Rules.Check(prod.Root(), prod.Schemas(), candidate.Schemas()); err != nil {
		return nil, err
	}
	if c.control != nil {
		cfg.Control = c.cfg.ControlCommand.Logic(cfg.Output, prod)
		cfg.Control.Build = c.control.name
	}
	cfg.Candidate = c.cfg.CandidateCommand.Logic(cfg.Output, candidate)
	cfg.Candidate.Build = c.candidate.name
	own := dataset.DigestOf(slices.Concat([]byte(c.candidate.name), prod.DescriptorSet(), candidate.DescriptorSet())).String()[:16]
	if err := os.MkdirAll(c.cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	var err error
	if cfg.Outputs, err = blob.CreateDir(filepath.Join(c.cfg.Dir, own)); err != nil {
		return nil, err
	}
	return Open(ctx, cfg)
}
