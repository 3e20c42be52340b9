package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
)

const items dataset.Name = "items"

// check looks at what is left when all processes have ended.
func (f *fight) check(ctx context.Context) error {
	if out, err := f.command(ctx, "verify", f.store).CombinedOutput(); err != nil {
		f.say("verify: %v: %s", err, out)
	}
	store, err := blob.OpenDir(f.store)
	if err != nil {
		return err
	}
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Logger = items, store, slog.New(slog.DiscardHandler)
	r := replica.Open(cfg)
	history, err := r.History(ctx)
	if err != nil {
		return err
	}
	f.report.Versions = len(history)
	says := map[string]string{}     // version → publish
	versions := map[string]string{} // publish → version
	for _, p := range history {
		v := p.Manifest.Version
		view, err := r.At(ctx, v)
		if err != nil {
			f.say("version %s: %v", v, err)
			continue
		}
		by := publisherOf(view)
		if by != p.Manifest.Lineage.Producer {
			f.say("version %s was made by %s and says %q", v, p.Manifest.Lineage.Producer, by)
		}
		if other, twice := versions[by]; twice {
			f.say("publish %s is there twice, as %s and as %s", by, other, v)
		}
		says[v.String()], versions[by] = by, v.String()
	}
	f.compare(says, versions)
	return f.stages(ctx, store, versions)
}

// compare compares the chain with what publishers were told and followers saw.
func (f *fight) compare(says, versions map[string]string) {
	f.report.Acknowledged, f.report.Seen = len(f.acked), len(f.seen)
	for name, version := range f.acked {
		if versions[name] != version {
			f.say("publish %s was acknowledged as %q, it is %q", name, version, versions[name])
		}
	}
	for version, by := range f.seen {
		if says[version] != by {
			f.say("a follower saw %s as of %s, it is of %q", version, by, says[version])
		}
	}
	if f.report.Seen == 0 {
		f.say("the follower saw nothing")
	}
}

// stages says how far the killed publishes had come.
func (f *fight) stages(ctx context.Context, store blob.Store, versions map[string]string) error {
	infos, err := store.List(ctx, string(items)+"/versions/")
	if err != nil {
		return err
	}
	f.report.Orphans = len(infos) - f.report.Versions
	manifests := map[string]bool{}
	for _, info := range infos {
		data, err := store.Get(ctx, info.Key)
		if err != nil {
			return err
		}
		m, err := blob.DecodeManifest(data)
		if err != nil {
			return fmt.Errorf("%s: %w", info.Key, err)
		}
		manifests[m.Lineage.Producer] = true
	}
	for _, name := range f.killed {
		switch {
		case versions[name] != "":
			f.report.KilledAnnounced++
		case manifests[name]:
			f.report.KilledPublished++
		default:
			f.report.KilledBefore++
		}
	}
	return nil
}

// publisherOf returns who published a version, as its records say.
func publisherOf(view *replica.View) string {
	r, ok := view.Index.Record(state.StringValue("op"))
	if !ok {
		return ""
	}
	var record struct{ By string }
	if text, err := view.JSON(r); err != nil || json.Unmarshal(text, &record) != nil {
		return ""
	}
	return record.By
}
