package replica

import (
	"bytes"
	"context"
	"io"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// Rewrite writes every blob of the folder again, from the states of the
// snapshots at both ends, and compares the bytes. Blobs between versions
// without a snapshot are left out. It is a check of our writer on other
// writers' files; a blob that was written by different rules, such as
// compaction, is a problem that does not make the folder bad.
func (f *Folder) Rewrite(ctx context.Context) (*Verification, error) {
	out := newVerification(f.Path)
	prev := map[dataset.Version]dataset.Version{}
	states := map[dataset.Version]*state.State{}
	load := func(v dataset.Version) *state.State {
		if _, ok := states[v]; !ok {
			states[v] = f.verify(&Verification{}, dataset.Transition{To: v}, nil, nil)
		}
		return states[v]
	}
	has := map[dataset.Version]bool{}
	for _, v := range f.Snapshots {
		has[v] = true
	}
	for _, t := range f.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !has[t.From] || !has[t.To] || load(t.From) == nil || load(t.To) == nil {
			continue
		}
		if t.From < t.To {
			prev[t.To] = t.From
			f.rewrite(out, t, state.Transition{Prev: load(t.From), Next: load(t.To)}, state.Transition.WriteDelta)
			continue
		}
		f.rewrite(out, t, state.Transition{Prev: load(t.To), Next: load(t.From)}, state.Transition.WriteReverseDelta)
	}
	for _, v := range f.Snapshots {
		if load(v) == nil {
			continue
		}
		step := state.Transition{Next: load(v)}
		if from, ok := prev[v]; ok {
			step.Prev = load(from)
		} else if step.Next.Header().Origin != -1 {
			continue // its base is not here
		}
		f.rewrite(out, dataset.Transition{To: v}, step, state.Transition.WriteSnapshot)
	}
	out.Versions = len(f.Snapshots)
	return out, nil
}

func (f *Folder) rewrite(out *Verification, t dataset.Transition, step state.Transition, write func(state.Transition, io.Writer) error) {
	want, err := f.read(t)
	var got bytes.Buffer
	if err == nil {
		if step.Layout, err = state.ReadLayout(want, t.From != dataset.None); err == nil {
			err = write(step, &got)
		}
	}
	if err != nil {
		out.problem("%s: %v", blobName(t), err)
		return
	}
	out.Blobs++
	out.Bytes += int64(len(want))
	if !bytes.Equal(got.Bytes(), want) {
		out.problem("%s: is written with other bytes", blobName(t))
	}
}
