package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
)

const items dataset.Name = "items"

// check looks at what is left when all processes have ended.
func (f *fight) check(ctx context.Context) error {
	if out, err := f.command(ctx, "verify", f.Store).CombinedOutput(); err != nil {
		f.say("verify: %v: %s", err, out)
	}
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Logger = items, f.opened, slog.New(slog.DiscardHandler)
	r := replica.Open(cfg)
	history, err := r.History(ctx)
	if err != nil {
		return err
	}
	f.report.Versions = len(history)
	var chain []link
	for _, p := range history {
		m := p.Manifest
		view, err := r.At(ctx, m.Version)
		if err != nil {
			f.say("version %s: %v", m.Version, err)
			continue
		}
		chain = append(chain, link{m.Version.String(), m.Lineage.Producer, publisherOf(view)})
	}
	return f.stages(ctx, f.compare(chain))
}

// link is a version of the chain: who made it, and who did as its records say.
type link struct{ version, producer, by string }

// compare compares the chain with what publishers were told and followers saw.
// It returns which version each publish made.
func (f *fight) compare(chain []link) map[string]string {
	f.report.Acknowledged, f.report.Seen = len(f.acked), len(f.seen)
	says := map[string]string{}     // version → publish
	versions := map[string]string{} // publish → version
	for _, l := range chain {
		if l.by != l.producer {
			f.say("version %s was made by %s and says %q", l.version, l.producer, l.by)
		}
		if other, twice := versions[l.by]; twice {
			f.say("publish %s is there twice, as %s and as %s", l.by, other, l.version)
		}
		says[l.version], versions[l.by] = l.by, l.version
	}
	for name, version := range f.acked {
		if versions[name] != version {
			f.say("publish %s was acknowledged as %q, it is %q", name, version, versions[name])
		}
	}
	for name, version := range versions {
		if f.acked[name] == "" && !slices.Contains(f.killed, name) {
			f.say("version %s is of %q, who was not killed and was not told of it", version, name)
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
	return versions
}

// stages says how far the killed publishes had come.
func (f *fight) stages(ctx context.Context, versions map[string]string) error {
	infos, err := f.opened.List(ctx, string(items)+"/versions/")
	if err != nil {
		return err
	}
	f.report.Orphans = len(infos) - f.report.Versions
	manifests := map[string]bool{}
	for _, info := range infos {
		data, err := f.opened.Get(ctx, info.Key)
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
