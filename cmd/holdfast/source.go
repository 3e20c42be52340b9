package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// A source is where commands look at datasets: a sidecar or a store.
type source interface {
	// Datasets lists what there is. Its error may come with a list: of datasets
	// of which some cannot be read.
	Datasets(ctx context.Context) ([]datasetInfo, error)
	// Get returns a record as ProtoJSON, nil if there is none.
	Get(ctx context.Context, t target, key []string) (json.RawMessage, error)
	// Export gives f each record of a version as ProtoJSON, valid until f
	// returns. If they lack fields, it asks lacking first, and fails with its
	// error.
	Export(ctx context.Context, t target, lacking func(fields string) error, f func([]byte) error) error
	// Versions lists the announced versions, oldest first.
	Versions(ctx context.Context, n dataset.Name) ([]versionInfo, error)
	// Diff compares two versions.
	Diff(ctx context.Context, from, to target, examples int) (*diffResult, error)
	// Schema returns the .proto that declares the typed service, or a first
	// one for a dataset that declares no schema.
	Schema(ctx context.Context, n dataset.Name) (string, error)
}

// datasetInfo is one dataset as ls and status show it.
type datasetInfo struct {
	Dataset   dataset.Name    `json:"dataset"`
	Version   dataset.Version `json:"version"`
	Announced dataset.Version `json:"announced"`
	Pinned    dataset.Version `json:"pinned,omitzero"`
	AgeMS     int64           `json:"age_ms"`
	State     string          `json:"state"`
	Error     string          `json:"error,omitempty"`
	// Pending says why a sidecar does not serve its newest declaration yet.
	Pending string   `json:"pending_declaration,omitempty"`
	Records int      `json:"records"`
	Root    string   `json:"root"`
	Key     []string `json:"key"`
}

type versionInfo struct {
	Version  dataset.Version `json:"version"`
	Previous dataset.Version `json:"previous"`
	Created  string          `json:"created"`
	Records  int             `json:"records"`
	Checksum dataset.Digest  `json:"checksum"`
	Pinned   bool            `json:"pinned,omitempty"`
	// Lost says why the version's manifest cannot be read; then nothing but the
	// version is known.
	Lost string `json:"lost,omitempty"`
}

// side is a version that was compared.
type side struct {
	Dataset dataset.Name    `json:"dataset"`
	Version dataset.Version `json:"version"`
}

func (s side) String() string { return string(s.Dataset) + "@" + s.Version.String() }

type diffResult struct {
	From      side           `json:"from"`
	To        side           `json:"to"`
	Added     int            `json:"added"`
	Removed   int            `json:"removed"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Fields    map[string]int `json:"fields"`
	Examples  []diffExample  `json:"examples,omitempty"`
}

type diffExample struct {
	Kind   string          `json:"kind"`
	Key    []string        `json:"key"`
	From   json.RawMessage `json:"from,omitempty"`
	To     json.RawMessage `json:"to,omitempty"`
	Fields []string        `json:"fields,omitempty"`
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// timeText shows a time; the zero time, which foreign versions have, is empty.
func timeText(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// sourceFlags adds --store and --address; the returned function opens what they
// name.
func sourceFlags(c *cobra.Command) func() (source, func(), error) {
	store := c.Flags().String("store", os.Getenv(storeVariable), "look at this store, a folder or a URL, instead of a sidecar (HOLDFAST_STORE)")
	address := c.Flags().String("address", defaultAddress(), "sidecar to ask, host:port or unix:PATH (HOLDFAST_ADDRESS; HOLDFAST_STORE goes before it)")
	c.MarkFlagsMutuallyExclusive("store", "address")
	return func() (source, func(), error) {
		if *store != "" && !c.Flags().Changed("address") { // a flag beats the environment
			s, err := cloud.Open(c.Context(), *store)
			if err != nil {
				return nil, nil, err
			}
			return &storeSource{s}, func() {}, nil
		}
		return dialSidecar(*address)
	}
}

func defaultAddress() string {
	if a := os.Getenv("HOLDFAST_ADDRESS"); a != "" {
		return a
	}
	return lookups
}

// lookups is where a sidecar answers look-ups, unless it is configured otherwise.
const lookups = "127.0.0.1:7510"

// storeSource reads a store itself.
type storeSource struct {
	store blob.Store
}

// open returns a version of a dataset, fully loaded.
func (s *storeSource) open(ctx context.Context, t target) (*replica.View, error) {
	r, err := s.replica(ctx, t.name)
	if err != nil {
		return nil, err
	}
	if t.version != dataset.None {
		return r.At(ctx, t.version)
	}
	if err := r.Refresh(ctx); err != nil {
		return nil, err
	}
	return r.Current(), nil
}

func (s *storeSource) replica(ctx context.Context, n dataset.Name) (*replica.Replica, error) {
	names, err := blob.Datasets(ctx, s.store)
	if err != nil {
		return nil, err
	}
	for _, have := range names {
		if have == n {
			cfg := replica.DefaultConfig()
			cfg.Dataset, cfg.Store = n, s.store
			return replica.Open(cfg), nil
		}
	}
	return nil, noDataset(ctx, s.store, n, names)
}

func (s *storeSource) Datasets(ctx context.Context) ([]datasetInfo, error) {
	names, err := blob.Datasets(ctx, s.store)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if err := refuseDatasetFolder(ctx, s.store); err != nil {
			return nil, err
		}
	}
	out := []datasetInfo{}
	var failed []error
	for _, n := range names {
		r, err := s.replica(ctx, n)
		if err == nil {
			err = r.Refresh(ctx)
		}
		if err != nil {
			out = append(out, datasetInfo{Dataset: n, State: replica.StateLoading, AgeMS: -1, Error: err.Error()})
			if !errors.Is(err, replica.ErrEmpty) { // that is no failure
				failed = append(failed, err)
			}
			continue
		}
		v := r.Current()
		out = append(out, datasetInfo{
			Dataset: n, Version: v.Version(), Announced: r.Status().Announced, Pinned: r.Status().Pinned, State: "stored", Records: v.Root().Len(),
			Root: v.Root().Schema().Name, Key: v.Index.Paths(),
		})
	}
	return out, errors.Join(failed...)
}

func (s *storeSource) Get(ctx context.Context, t target, key []string) (json.RawMessage, error) {
	v, err := s.open(ctx, t)
	if err != nil {
		return nil, err
	}
	values, err := v.Mapping.Key(key)
	if err != nil {
		return nil, err
	}
	r, ok := v.Index.Record(values...)
	if !ok {
		return nil, nil
	}
	return v.JSON(r)
}

func (s *storeSource) Versions(ctx context.Context, n dataset.Name) ([]versionInfo, error) {
	r, err := s.replica(ctx, n)
	if err != nil {
		return nil, err
	}
	fold, err := announce.Open(s.store, n).Refresh(ctx)
	if err != nil {
		return nil, err
	}
	links, err := replica.NewCatalog(s.store, n).Chain(ctx, fold)
	if err != nil {
		return nil, err
	}
	out := []versionInfo{}
	for _, at := range links {
		info, err := s.versionInfo(ctx, r, at)
		if err != nil {
			return nil, err
		}
		info.Pinned = fold.Pin != nil && fold.Pin.Version == at.Version
		out = append(out, info)
	}
	return out, nil
}

// versionInfo tells of a version what its manifest says, if that is there.
func (s *storeSource) versionInfo(ctx context.Context, r *replica.Replica, at announce.Link) (versionInfo, error) {
	if at.Lost != nil {
		return versionInfo{Version: at.Version, Lost: at.Lost.Error()}, nil
	}
	m := at.Manifest
	root, err := s.root(ctx, r, m)
	if announce.IsLost(err) || errors.Is(err, replica.ErrNoPath) {
		err = nil // it cannot be loaded, so its root type is not known
	}
	return versionInfo{
		Version: m.Version, Previous: m.Previous, Created: timeText(m.Created),
		Records: m.Records[root], Checksum: m.Checksum,
	}, err
}

// root returns the root type of a version: what its declared schema says, else
// what its records show.
func (s *storeSource) root(ctx context.Context, r *replica.Replica, m *blob.Manifest) (string, error) {
	declared, err := replica.NewCatalog(s.store, m.Dataset).Mapping(ctx, m.Schema)
	if err != nil {
		return "", err
	}
	if declared != nil {
		return declared.Root(), nil
	}
	v, err := r.At(ctx, m.Version)
	if err != nil {
		return "", err
	}
	return v.Root().Schema().Name, nil
}

func (s *storeSource) Diff(ctx context.Context, from, to target, examples int) (*diffResult, error) {
	a, err := s.open(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := s.open(ctx, to)
	if err != nil {
		return nil, err
	}
	return diffViews(ctx, a, b, examples)
}

func diffViews(ctx context.Context, a, b *replica.View, examples int) (*diffResult, error) {
	root, err := diff.Root(a.Root(), b.Root())
	if err != nil {
		return nil, err
	}
	d, err := diff.States(ctx, a.State, b.State, diff.Options{Type: root, Examples: examples})
	if err != nil {
		return nil, err
	}
	out := &diffResult{
		From: side{a.Manifest.Dataset, a.Version()}, To: side{b.Manifest.Dataset, b.Version()},
		Added: d.Added, Removed: d.Removed, Changed: d.Changed, Unchanged: d.Unchanged, Fields: d.Fields,
	}
	if out.Fields == nil {
		out.Fields = map[string]int{}
	}
	for _, x := range d.Examples {
		e := diffExample{Kind: x.Kind.String(), Fields: x.Fields, Key: a.Mapping.KeyTexts(x.Key)}
		if x.Kind != diff.Added {
			e.From, err = a.JSON(x.From)
		}
		if x.Kind != diff.Removed && err == nil {
			e.To, err = b.JSON(x.To)
		}
		if err != nil {
			return nil, err
		}
		out.Examples = append(out.Examples, e)
	}
	return out, nil
}

func (s *storeSource) Schema(ctx context.Context, n dataset.Name) (string, error) {
	v, err := s.open(ctx, target{name: n})
	if err != nil {
		return "", err
	}
	if v.Derived {
		return protomap.Derive(v.State.Schemas(), v.Root().Schema().Name)
	}
	file, err := protomap.Redeclare(v.Mapping, n)
	if err != nil {
		return "", err
	}
	return protomap.Source(file)
}
