package testenv

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/shadow"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// ask looks a decision up through the typed service of each sidecar.
func (d *demo) ask(ctx context.Context) error {
	slices.Sort(d.lags)
	d.result.Gossip = DemoGossip{Sidecars: len(d.sidecars)}
	if len(d.lags) > 0 {
		d.result.Gossip.P50 = float64(d.lags[len(d.lags)/2].Microseconds()) / 1000
	}
	d.say("\nnews reached a sidecar and was applied in %.1f ms (median of %d)\n", d.result.Gossip.P50, len(d.lags))
	key := exampleKey(d.sidecars[0].Replica(featuregate.Output).Current())
	for i, s := range d.sidecars {
		text, took, err := lookUp(ctx, s.Addr(), d.mappings[featuregate.Output], featuregate.Output, key...)
		if err != nil {
			return err
		}
		d.say("sidecar %d answered in %.2f ms: %s\n", i+1, took.Seconds()*1000, text)
	}
	return nil
}

// exampleKey returns the key of a decision to look up: a known one, or any if
// the editions do not have it.
func exampleKey(v *replica.View) []string {
	if _, ok := v.Index.Get(state.StringValue("aac"), state.StringValue("KR")); ok {
		return []string{"aac", "KR"}
	}
	for o := range v.Root().Ordinals() {
		var key []string
		for _, part := range v.Index.KeyOf(v.Root().Record(o)) {
			key = append(key, part.String())
		}
		return key
	}
	return []string{"", ""}
}

// replay checks PROD's build, then replays and shadows the candidate.
func (d *demo) replay(ctx context.Context) error {
	candidates, err := blob.CreateDir(filepath.Join(d.dir, candidateDir))
	if err != nil {
		return err
	}
	evaluations, err := logic.Evaluations(ctx, d.store, featuregate.Output)
	if err != nil {
		return err
	}
	r, err := replay.Open(ctx, replay.Config{
		Store: d.store, Output: featuregate.Output, Control: d.control,
		Candidate: featuregate.Logic(d.mappings[featuregate.Output], featuregate.Candidate), Outputs: candidates,
		Rules:    compare.Rules{Gate: compare.Gate{Fields: []string{"available"}, Keys: true}, Values: []string{"available"}},
		Examples: 2, Now: time.Now, Logger: d.cfg.Logger,
	})
	if err != nil {
		return err
	}
	newest := evaluations[len(evaluations)-1]
	fmt.Fprintf(d.cfg.Progress, "replaying the newest of %d evaluations\n", len(evaluations))
	if d.result.SelfCheck, err = r.Check(ctx, newest); err != nil {
		return err
	}
	word := "is reproduced"
	if !d.result.SelfCheck.Reproduced {
		word = "is NOT reproduced"
	}
	d.say("\nself-check: PROD's build on the inputs of availability@%s: content checksum %s… %s\n",
		newest.Output, d.result.SelfCheck.Checksum.String()[:16], word)
	if d.result.Replay, err = r.Replay(ctx, newest); err != nil {
		return err
	}
	d.say("\nreplay: the candidate on the same inputs, compared with availability@%s\n", newest.Output)
	d.result.Replay.Print(d.cfg.Story)
	return d.shadow(ctx, r, evaluations)
}

func (d *demo) shadow(ctx context.Context, r *replay.Runner, evaluations []dataset.Evaluation) error {
	runs, err := shadow.OpenStore(ctx, filepath.Join(d.dir, filepath.FromSlash(shadowDir)))
	if err != nil {
		return err
	}
	if err := runs.Put(ctx, d.result.Replay); err != nil {
		return err
	}
	fmt.Fprintf(d.cfg.Progress, "shadowing %d evaluations\n", len(evaluations))
	if d.result.Shadow, err = (&shadow.Follower{Replayer: r, Runs: runs}).Follow(ctx, evaluations); err != nil {
		return err
	}
	d.say("\nshadow: the candidate on every evaluation\n")
	for _, x := range d.result.Shadow {
		d.say("  availability@%s: %d changed, %d unchanged, available differs in %d: %s\n",
			x.Output, x.Changed, x.Unchanged, x.Fields["available"], x.Verdict)
		for _, in := range x.Evaluation.Inputs {
			d.say("    made of %s@%s\n", in.Dataset, in.Version)
		}
	}
	return nil
}
