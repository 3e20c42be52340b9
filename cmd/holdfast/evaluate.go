package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/internal/collector"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// evaluateFlags say what is evaluated.
type evaluateFlags struct {
	store, output, schema, author string
	logic, build                  string
	inputs                        []string
	once                          bool
	timeout                       time.Duration
	format                        string
	cfg                           logic.ProducerConfig
}

func newEvaluate() *cobra.Command {
	e := evaluateFlags{cfg: logic.DefaultProducerConfig()}
	c := &cobra.Command{
		Use:        "evaluate --store DIR --output DATASET --input DATASET… [--once] -- CMD…",
		SuggestFor: []string{"logic", "decide"},
		Short:      "Run a logic as PROD: make versions of its output from the newest inputs",
		Long: `Evaluate runs a command as PROD's logic. The command gets the newest version of
each input (that of a pin, if there is one), a clock and a seed, and gives its
output over the socket that HOLDFAST_ADDRESS names; see docs/replay.md. What it
makes is published in the same store as the next version of the output, together
with what it was made of, for replay and shadow. If nothing changed, only the run
is recorded.

It runs the command at once, and then whenever an input has a new version, until
SIGTERM or Ctrl-C: that kills a run under way, which then makes nothing. What may
pass, such as a store out of reach, a command that fails or an input that is not
there yet, is logged, and tried again at the latest after a minute; the output
stays as it is. With --once it runs the command once, and any failure is exit
code 2.

The first version of the output needs --schema; after that its schema stays what
it is, unless another one is named.`,
		Example: `  holdfast evaluate --store ./store --output availability --schema availability.proto \
    --input features --input usage -- ./prod
  holdfast evaluate --store ./store --output availability --input features --input usage --once -- ./prod`,
		Args: cobra.ArbitraryArgs,
	}
	e.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := e.open(c, args)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(c.Context())
		defer stop()
		go collector.Follow(ctx, collector.Making)
		if !e.once {
			var unwritten error // its reader may be gone, which ends Follow
			err := p.Follow(ctx, func(evaluation dataset.Evaluation, r cycle.Result) {
				unwritten = e.print(c, evaluation, r)
			})
			return errors.Join(err, unwritten)
		}
		evaluation, r, err := p.Evaluate(ctx)
		if err != nil {
			return err
		}
		return e.print(c, evaluation, r)
	}
	return c
}

func (e *evaluateFlags) add(c *cobra.Command) {
	f := c.Flags()
	storeFlag(c, &e.store, "store of inputs and output: a folder, or a URL")
	f.StringVar(&e.output, "output", "", "the dataset that the command makes (required)")
	f.StringArrayVar(&e.inputs, "input", nil, "a dataset that it reads; may be given more than once (required)")
	f.StringVar(&e.schema, "schema", "", ".proto file that declares the output's records (required for the first version)")
	f.StringVar(&e.author, "name", userName(), "who makes the versions, as the log records it; a new name makes replays under way INCONCLUSIVE")
	f.StringVar(&e.logic, "logic", "", "name of the logic, as each evaluation records it (default: that of the command's file)")
	f.StringVar(&e.build, "build", "", "name of its code, such as a commit (default: a digest of the command)")
	f.BoolVar(&e.once, "once", false, "run the command once, and end")
	f.DurationVar(&e.cfg.Poll, "poll", e.cfg.Poll, "how often to look for new versions of the inputs")
	f.DurationVar(&e.cfg.Every, "every", 0, "run it also if no input has changed for so long, for a logic that looks at the clock; 0 means never")
	f.DurationVar(&e.timeout, "timeout", 10*time.Minute, "longest run of the command; one that takes longer is killed, and fails")
	f.Float64Var(&e.cfg.MaxRemoved, "max-removed", e.cfg.MaxRemoved, "part of the output's records, 0 to 1, that one version may remove")
	f.IntVar(&e.cfg.SnapshotEvery, "snapshot-every", e.cfg.SnapshotEvery, "number of versions from one snapshot to the next")
	f.BoolVar(&e.cfg.Breaking, "breaking", false, "go on though applications that read with the output's schema of before would misread the records")
	f.BoolVar(&e.cfg.AcceptDamagedLog, "accept-damaged-log", false, "go on though earlier entries of the output's log are lost or were changed")
	f.BoolVar(&e.cfg.FromScratch, "from-scratch", false, "go on though the output's newest version cannot be read, because its files are lost or damaged")
	f.StringVarP(&e.format, "format", "o", "table", "output format: table or json, which is one line for each run")
	_ = c.MarkFlagRequired("output")
	_ = c.MarkFlagRequired("input")
}

// open opens what the flags, and the command after --, describe.
func (e *evaluateFlags) open(c *cobra.Command, args []string) (*logic.Producer, error) {
	if err := e.check(c, args); err != nil {
		return nil, err
	}
	output, err := dataset.ParseName(e.output)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	var inputs []dataset.Name
	for _, text := range e.inputs {
		n, err := dataset.ParseName(text)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		inputs = append(inputs, n)
	}
	store, err := cloud.Open(c.Context(), e.store)
	if err != nil {
		return nil, err
	}
	if err := e.absent(c, store, inputs); err != nil {
		return nil, err
	}
	mapping, err := e.mapping(c.Context(), store, output)
	if err != nil {
		return nil, err
	}
	command := &logic.Command{Args: args, Supervisor: supervisor(), Timeout: e.timeout, Print: c.ErrOrStderr()}
	if _, err := command.Build(); err != nil { // which fails if there is no such program
		return nil, err
	}
	l := command.Logic(output, mapping)
	l.Inputs, l.Build = inputs, e.build
	if e.logic != "" {
		l.Name = e.logic
	}
	cfg := e.cfg
	cfg.Store, cfg.Output, cfg.Logic = store, output, l
	cfg.Author, cfg.Logger = announce.Author{Name: e.author}, logger(c)
	return logic.OpenProducer(c.Context(), cfg)
}

func (e *evaluateFlags) check(c *cobra.Command, args []string) error {
	if err := checkOutput(e.format); err != nil {
		return err
	}
	if c.ArgsLenAtDash() != 0 || len(args) == 0 {
		return fmt.Errorf("write the logic's command at the end, after --\nTry: %s --help", c.CommandPath())
	}
	if e.once && (e.cfg.Every > 0 || c.Flags().Changed("poll")) {
		return errors.New("--once runs the command once: --every and --poll are for following")
	}
	if e.timeout <= 0 || e.cfg.Poll <= 0 || e.cfg.Every < 0 {
		return errors.New("--timeout and --poll must be greater than 0, --every not negative")
	}
	if !(e.cfg.MaxRemoved >= 0 && e.cfg.MaxRemoved <= 1) || e.cfg.SnapshotEvery < 1 {
		return errors.New("--max-removed must be in 0 to 1, --snapshot-every at least 1")
	}
	for _, x := range [][2]string{{"name", e.author}, {"logic", e.logic}, {"build", e.build}} {
		if c.Flags().Changed(x[0]) || x[0] == "name" {
			if err := checkText(x[0], x[1], maxWho); err != nil {
				return err
			}
		}
	}
	return nil
}

// absent says which inputs are not in the store, and what may be meant. They may
// come, so only a single run fails because of that; more often they are misspelt.
func (e *evaluateFlags) absent(c *cobra.Command, store blob.Store, inputs []dataset.Name) error {
	names, err := blob.Datasets(c.Context(), store)
	if err != nil {
		return nil // the run says what is wrong with the store
	}
	for _, n := range inputs {
		absent, args := missingFrom(n, names)
		switch {
		case absent && (e.once || len(names) == 0 && refuseDatasetFolder(c.Context(), store) != nil):
			return fmt.Errorf("--input: %w", noDataset(c.Context(), store, n, names))
		case absent:
			logger(c).Warn("input is not in the store: the logic is evaluated as soon as it is published there", append([]any{"dataset", n}, args...)...)
		}
	}
	return nil
}

// mapping returns the schema of the output: the one that is named, else the one
// that its newest version has.
func (e *evaluateFlags) mapping(ctx context.Context, store blob.Store, output dataset.Name) (*protomap.Mapping, error) {
	if e.schema != "" {
		return compile(ctx, e.schema)
	}
	catalog := replica.NewCatalog(store, output)
	f, err := announce.Open(store, output).Refresh(ctx)
	if err != nil {
		return nil, err
	}
	head, err := catalog.Head(ctx, f)
	if errors.Is(err, replica.ErrEmpty) {
		return nil, fmt.Errorf("%s has no version yet: name the .proto of its records with --schema", output)
	}
	if err != nil {
		return nil, err
	}
	m, err := catalog.Mapping(ctx, head.Manifest.Schema)
	if err == nil && m == nil {
		err = fmt.Errorf("%s declares no schema: name the .proto of its records with --schema", output)
	}
	return m, err
}

// evaluated is a run as JSON shows it.
type evaluated struct {
	cycle.Result
	Evaluation dataset.Evaluation `json:"evaluation"`
}

func (e *evaluateFlags) print(c *cobra.Command, evaluation dataset.Evaluation, r cycle.Result) error {
	var err error
	if e.format == "json" {
		err = printJSON(c.OutOrStdout(), evaluated{r, evaluation})
	} else if err = printResult(c, r); err == nil {
		_, err = fmt.Fprintf(c.OutOrStdout(), "  made by %s of %s\n", maker(evaluation), inputs(evaluation))
	}
	return alreadyDone(err, "%s", didPublish(r))
}
