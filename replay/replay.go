package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// Config says what is replayed.
type Config struct {
	// Store has PROD's datasets, Output is the one that is compared.
	Store  blob.Store
	Output dataset.Name
	// Control is PROD's logic; nil makes every verdict inconclusive.
	Control *logic.Logic
	// Candidate is the logic under test; Outputs is where its versions go, which
	// must not be Store.
	Candidate *logic.Logic
	Outputs   blob.Store
	// Runs is how often the candidate runs on a session, to see whether it
	// makes the same output each time; fewer than 2 mean 2. A run after the first begins
	// at least Apart after it did, so that a logic that looks at the time of
	// day makes another output.
	Runs  int
	Apart time.Duration
	// Rules are what is compared and judged by; Examples is how many records of
	// each kind are shown.
	Rules    compare.Rules
	Examples int
	// Breaking says that a declaration of the candidate's output which breaks
	// those who read PROD's is meant; otherwise it speaks against a release.
	Breaking bool
	// Now returns the time that the candidate's versions are named after.
	Now    func() time.Time
	Logger *slog.Logger
}

// A Runner replays evaluations one after the other. It is for one goroutine.
type Runner struct {
	cfg     Config
	inputs  *logic.Opener
	outputs *logic.Opener
	cycle   *cycle.Cycle
	checked map[string]compare.Check // by evaluation

	candidate, control string // builds
}

// snapshotEvery is how many of the candidate's versions have one snapshot.
const snapshotEvery = 100

// Open returns a Runner. It fails with ErrProdStore if Outputs is Store, and with an
// OutputsError if what is in Outputs cannot be gone on from.
func Open(ctx context.Context, cfg Config) (*Runner, error) {
	if isStore(cfg.Outputs, cfg.Store) {
		return nil, fmt.Errorf("replay: %w", ErrProdStore)
	}
	c, err := cycle.Open(ctx, cycle.Config{
		Dataset: cfg.Output, Store: cfg.Outputs, Mapping: cfg.Candidate.Output,
		Author: announce.Author{Name: "replay"}, SnapshotEvery: snapshotEvery, Now: cfg.Now, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", ofOutputs(cfg.Outputs, err))
	}
	r := &Runner{
		cfg: cfg, inputs: logic.NewOpener(cfg.Store), outputs: logic.NewOpener(cfg.Store), cycle: c,
		checked: map[string]compare.Check{},
	}
	if r.candidate, err = cfg.Candidate.CodeBuild(); err == nil && cfg.Control != nil {
		r.control, err = cfg.Control.CodeBuild()
	}
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return r, nil
}

// terms are what a verdict depends on, as far as the configuration of logic in
// this process and that of commands are the same.
func (c *Config) terms() compare.Terms {
	return compare.Terms{Judging: compare.Judging, Dataset: c.Output, Runs: c.runs(), Breaking: c.Breaking}
}

func (c *Config) runs() int { return max(c.Runs, 2) }

// Report returns what is known of a run on the inputs of e before it is made, in
// which is all that its verdict depends on.
func (r *Runner) Report(e dataset.Evaluation) *compare.Report {
	out := &compare.Report{
		At: r.cfg.Now(), Candidate: r.candidate, Control: r.control, Terms: r.cfg.terms(),
		Rules: r.cfg.Rules, Output: e.Output, Evaluation: e, Verdict: compare.Inconclusive,
	}
	out.Terms.Schema = dataset.DigestOf(r.cfg.Candidate.Output.DescriptorSet())
	return out
}

// Check runs the control on the session of e and says whether it makes the
// same content. It is run once for each evaluation.
func (r *Runner) Check(ctx context.Context, e dataset.Evaluation) (compare.Check, error) {
	out := compare.Check{Version: e.Output}
	if r.cfg.Control == nil {
		return out, nil
	}
	key, err := json.Marshal(e)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	if known, ok := r.checked[string(key)]; ok {
		return known, nil
	}
	want, err := r.outputs.View(ctx, r.cfg.Output, e.Output)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	s, err := r.inputs.Session(ctx, e)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	got, err := r.cfg.Control.Compute(ctx, s)
	var failed *logic.RunError
	switch {
	case errors.As(err, &failed):
		out.Reason = failed.Error()
	case err != nil:
		return out, fmt.Errorf("replay control: %w", err)
	default:
		if out.Checksum, err = got.State.Checksum(); err != nil {
			return out, fmt.Errorf("replay control: %w", err)
		}
		if out.Reproduced = out.Checksum == want.Manifest.Checksum; !out.Reproduced {
			out.Difference, err = r.difference(ctx, s, want, got)
		}
		if err != nil {
			return out, fmt.Errorf("replay control: %w", err)
		}
	}
	r.checked[string(key)] = out
	return out, nil
}

// Replay runs the candidate on the session of e and compares. The verdict is
// inconclusive if an input is not there any more, if the control does not make
// PROD's output again, and if the candidate fails or makes another output when
// it runs again. An error says that the comparison itself could not be made; it
// is compare.ErrRule if the rules are not for this dataset.
func (r *Runner) Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error) {
	out := r.Report(e)
	if err := r.fill(ctx, e, out); err != nil {
		return nil, err
	}
	return out, nil
}

// fill does what Replay does, into a report that is begun.
func (r *Runner) fill(ctx context.Context, e dataset.Evaluation, out *compare.Report) error {
	start := r.cfg.Now()
	err := r.replay(ctx, e, out)
	var failed *logic.RunError
	switch {
	case errors.As(err, &failed):
		out.Verdict = compare.Inconclusive
		out.Reasons = append(out.Reasons, "the candidate failed: "+failed.Error())
	case err != nil && unjudged(err) != "":
		out.Verdict = compare.Inconclusive
		out.Reasons = append(out.Reasons, unjudged(err))
	case err != nil:
		return fmt.Errorf("replay candidate: %w", err)
	}
	out.Seconds = r.cfg.Now().Sub(start).Seconds()
	return nil
}

// unjudged says why an evaluation cannot be judged, now and later; nothing if the
// error has another cause.
func unjudged(err error) string {
	if errors.Is(err, diff.ErrTooMany) {
		return "the fields of the gate, or the values of the rules, cannot be counted: " + err.Error()
	}
	return missing(err)
}

// missing says what of the recorded evaluation is not there any more; nothing
// if the error has another cause, such as the candidate's own outputs.
func missing(err error) string {
	if own := (*OutputsError)(nil); errors.As(err, &own) {
		return ""
	}
	for _, cause := range []error{
		replica.ErrNoVersion, replica.ErrEmpty, blob.ErrNotFound, blob.ErrDigest, logic.ErrInputChanged, state.ErrCorrupt,
	} {
		if errors.Is(err, cause) {
			return "a version is missing: " + err.Error()
		}
	}
	return ""
}

func (r *Runner) replay(ctx context.Context, e dataset.Evaluation, out *compare.Report) error {
	s, err := r.inputs.Session(ctx, e)
	if err != nil {
		return err
	}
	want, err := r.outputs.View(ctx, r.cfg.Output, e.Output)
	if err != nil {
		return err
	}
	if err := r.cfg.Rules.Check(want.Root().Schema().Name, schemasOf(want), r.cfg.Candidate.Output.Schemas()); err != nil {
		return err
	}
	watch, err := newGuard(ctx, r.cfg.Store)
	if err != nil {
		return err
	}
	first := time.Now()
	if _, _, err := r.cfg.Candidate.Evaluate(ctx, s, r.cycle); err != nil {
		return ofOutputs(r.cfg.Outputs, err)
	}
	got := r.cycle.Base()
	d, err := diff.States(ctx, want.State, got.State, r.cfg.Rules.Options(got.Root().Schema().Name, r.cfg.Examples))
	if err != nil {
		return err
	}
	shown, err := r.show(s, want, got, d)
	if err != nil {
		return err
	}
	out.Difference = *shown
	return r.conclude(ctx, out, judged{e: e, session: s, first: first, want: want, got: got, diff: d, watch: watch})
}

func schemasOf(v *replica.View) []*state.Schema {
	return slices.Collect(maps.Values(v.State.Schemas()))
}

// difference compares two outputs of one session in all fields, as their
// checksums do.
func (r *Runner) difference(ctx context.Context, s *logic.Session, from, to *replica.View) (*compare.Difference, error) {
	d, err := diff.States(ctx, from.State, to.State, diff.Options{Type: to.Root().Schema().Name, Examples: r.cfg.Examples})
	if err != nil {
		return nil, err
	}
	return r.show(s, from, to, d)
}

// show makes of a diff what can be kept.
func (r *Runner) show(s *logic.Session, from, to *replica.View, d *diff.Result) (*compare.Difference, error) {
	out := &compare.Difference{
		Added: d.Added, Removed: d.Removed, Changed: d.Changed, Unchanged: d.Unchanged,
		Fields: d.Fields, Transitions: d.Transitions,
	}
	if out.Fields == nil {
		out.Fields = map[string]int{}
	}
	var err error
	out.Examples, err = r.examples(s, from, to, d)
	return out, err
}

// judged is a candidate's first run and what it showed.
type judged struct {
	e       dataset.Evaluation
	session *logic.Session
	first   time.Time // when the run began
	want    *replica.View
	got     *replica.View
	diff    *diff.Result
	watch   *guard
}

// conclude looks for whatever makes the comparison worthless, then judges.
func (r *Runner) conclude(ctx context.Context, out *compare.Report, j judged) error {
	var check compare.Check
	var unchecked, failed error
	var both sync.WaitGroup // neither needs what the other changes
	both.Go(func() { check, unchecked = r.Check(ctx, j.e) })
	both.Go(func() {
		out.Repeat, failed = r.repeat(ctx, j.session, j.first, j.got)
		out.Unstable = out.Repeat != nil
	})
	both.Wait()
	if unchecked != nil {
		return unchecked
	}
	if r.cfg.Control != nil {
		out.Check = &check
	}
	if out.Reasons = r.doubts(j.e, check); failed != nil {
		return failed
	}
	if out.Unstable {
		out.Reasons = append(out.Reasons, "the candidate is not deterministic: it made another output of the same session: "+out.Repeat.String())
	}
	intruders, err := j.watch.intruders(ctx)
	if err != nil {
		return err
	}
	if out.Reasons = append(out.Reasons, intruders...); len(out.Reasons) > 0 {
		return nil
	}
	r.judge(out, j)
	return nil
}

// judge concludes from a comparison that nothing makes worthless.
func (r *Runner) judge(out *compare.Report, j judged) {
	out.Verdict, out.Reasons = r.cfg.Rules.Judge(j.diff)
	if out.Verdict.Good() && r.cfg.Rules.ComparesNothing(j.want.Root().Schema().Name, schemasOf(j.want)) {
		out.Verdict, out.Reasons = compare.Inconclusive, []string{"nothing was compared but keys: the rules ignore every other field"}
	}
	if j.want.Mapping == nil || j.want.Derived {
		return
	}
	// A diff compares by name; who reads PROD's output goes by number.
	out.Breaks = protomap.Breaking(j.want.Mapping, r.cfg.Candidate.Output)
	if len(out.Breaks) > 0 && !r.cfg.Breaking {
		out.Verdict = r.cfg.Rules.Gate.Against()
		out.Reasons = append(out.Reasons, "the candidate's schema breaks PROD's readers: "+strings.Join(out.Breaks, "; "))
	}
}

// repeat runs the candidate again and returns how it makes another output, nil
// if it does not.
func (r *Runner) repeat(ctx context.Context, s *logic.Session, first time.Time, got *replica.View) (*compare.Difference, error) {
	for range r.cfg.runs() - 1 {
		if err := wait(ctx, r.cfg.Apart-time.Since(first)); err != nil {
			return nil, err
		}
		again, err := r.cfg.Candidate.Compute(ctx, s)
		if err != nil {
			return nil, err
		}
		sum, err := again.State.Checksum()
		if err != nil {
			return nil, err
		}
		if sum != got.Manifest.Checksum {
			return r.difference(ctx, s, got, again)
		}
	}
	return nil, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// doubts says why PROD's output of an evaluation is no measure.
func (r *Runner) doubts(e dataset.Evaluation, check compare.Check) []string {
	var why string
	switch {
	case r.cfg.Control == nil:
		return []string{"there is no control to compare with"}
	case check.Reason != "":
		why = check.Reason
	case !check.Reproduced:
		why = check.Difference.String()
	default:
		return nil
	}
	if e.Build != "" && r.control != e.Build { // names of one build may differ, too
		why += fmt.Sprintf(" (PROD's build was %s, the control's is %s)", dataset.Printable(e.Build), dataset.Printable(r.control))
	}
	return []string{"the control did not reproduce PROD's output: " + why}
}

func (r *Runner) examples(s *logic.Session, want, got *replica.View, d *diff.Result) ([]compare.Example, error) {
	var out []compare.Example
	for _, x := range d.Examples {
		e := compare.Example{Kind: x.Kind.String(), Key: want.Mapping.KeyTexts(x.Key), Fields: x.Fields}
		var err error
		if x.Kind != diff.Added {
			e.From, err = want.JSON(x.From)
		}
		if x.Kind != diff.Removed && err == nil {
			e.To, err = got.JSON(x.To)
		}
		if err == nil && r.cfg.Candidate.Sources != nil {
			e.Sources, err = sources(s, r.cfg.Candidate.Sources(x.Key))
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func sources(s *logic.Session, list []logic.Source) ([]compare.Source, error) {
	var out []compare.Source
	for _, x := range list {
		v, err := s.View(x.Dataset)
		if err != nil {
			return nil, err
		}
		source := compare.Source{Dataset: x.Dataset, Version: v.Version(), Key: v.Mapping.KeyTexts(x.Key)}
		if rec, ok := v.Index.Record(x.Key...); ok {
			if source.Record, err = v.JSON(rec); err != nil {
				return nil, err
			}
		}
		out = append(out, source)
	}
	return out, nil
}
