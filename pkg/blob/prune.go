package blob

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// PrunePolicy says what a prune keeps besides what it must.
type PrunePolicy struct {
	// Keep is how many of the newest versions stay; at least one does.
	Keep int
	// KeepFor is how long a version stays after a newer one has taken its
	// place, and a file after it was written. It must be longer than the
	// longest evaluation, which may have begun on the version just before.
	KeepFor time.Duration
	// Now is the time that ages are measured at.
	Now time.Time
}

// Prunable is what a dataset has in a store, as far as a prune must know it.
type Prunable struct {
	// Chain is every announced version whose manifest is there, oldest first;
	// the last one is the head, unless that is Lost.
	Chain []Chained
	// Lost are announced versions whose manifests are gone or damaged.
	Lost []dataset.Version
	// Damaged are blobs whose bytes are known not to be what their digest says;
	// they count as if they were gone.
	Damaged map[string]bool
	// Pin is the version that consumers are held at; None if they are not.
	Pin dataset.Version
	// Horizon is the version below which files may be gone already.
	Horizon dataset.Version
	// Inputs are the versions that kept outputs of others were made from, with
	// those outputs, as DATASET@VERSION.
	Inputs map[dataset.Version][]string
	// Unread are the runs of others of which it is lost what they read, in words; what
	// they may have read is among Inputs.
	Unread []string
	// Snapshot is the key of the newest snapshot that the log names, if any.
	Snapshot string
	// Files are the dataset's files in blobs/ and versions/.
	Files []Info
}

// Chained is a version with the digest of its manifest.
type Chained struct {
	*Manifest
	Digest dataset.Digest
}

// PrunePlan says what goes.
type PrunePlan struct {
	// Horizon is the version below which nothing is made any more.
	Horizon dataset.Version
	// Files are to be deleted, sorted by key; all are of versions below
	// Horizon. Their keys are relative to the dataset's folder.
	Files []Info
	// Kept are the versions that can still be had, oldest first, as far as is
	// known: of those after the first one only the newest is examined. Why says of
	// each why it stays; it is never empty for one that is kept.
	Kept []dataset.Version
	Why  map[dataset.Version][]Reason
	// Needs are the blobs that must be as their digests say before Files go,
	// because Files could stand in for them: if one is not, plan again with it
	// among Damaged.
	Needs []Needed
	// Lost, Damaged and Unread are those that were found.
	Lost    []dataset.Version
	Damaged []string
	Unread  []string
}

// Needed is a blob that a plan builds on.
type Needed struct {
	Key string
	Ref Ref
}

// Bytes is the size of all files that go.
func (p PrunePlan) Bytes() int64 {
	var n int64
	for _, f := range p.Files {
		n += f.Size
	}
	return n
}

// PlanPrune returns what can go. These stay: the newest versions that the
// policy keeps and all that are too young, what is pinned, the inputs of kept
// outputs, every blob that is needed to reach one of them from a snapshot, and
// every manifest from the oldest of those on, because history is found by
// walking back. If none of the versions that the policy keeps can be had, the
// newest one that can stays in their place; if none at all can, nothing goes.
// Files that no announced version names go like others.
func PlanPrune(p Prunable, policy PrunePolicy) PrunePlan {
	nothing := PrunePlan{Horizon: p.Horizon, Lost: p.Lost, Damaged: slices.Sorted(maps.Keys(p.Damaged)), Unread: p.Unread}
	r := pruner{Prunable: p, policy: policy, needed: map[string]bool{p.Snapshot: true}, there: map[string]bool{}}
	for _, f := range p.Files {
		r.there[f.Key] = !p.Damaged[f.Key]
	}
	first, ok := r.reachable(r.first())
	if !ok {
		return nothing
	}
	plan := nothing
	plan.Horizon = p.Chain[first].Version
	if p.Pin != dataset.None {
		plan.Horizon = min(plan.Horizon, p.Pin)
	}
	plan.Horizon = max(plan.Horizon, p.Horizon)
	oldest := first
	plan.Why = map[dataset.Version][]Reason{}
	for i, m := range slices.Backward(p.Chain) {
		why := r.why(i, first)
		base, ok := r.base(i)
		if len(why) > 0 && !ok {
			oldest = min(oldest, r.spare(m.Version))
		}
		if len(why) == 0 || !ok {
			continue
		}
		// What is kept after first needs nothing from before it but by way of
		// first; the newest one is the last that may be lost.
		if needs := r.keep(i, base); i <= first || len(plan.Why) == 0 {
			plan.Needs = append(plan.Needs, needs...)
		}
		oldest = min(oldest, base)
		plan.Why[m.Version] = why
		for _, on := range p.Chain[base:i] { // nearer ones come later
			plan.Why[on.Version] = []Reason{{OnTheWay, m.Version.String()}}
		}
	}
	plan.Kept = slices.Sorted(maps.Keys(plan.Why))
	for _, v := range p.Lost {
		if len(p.Inputs[v]) > 0 || v == p.Pin {
			oldest = min(oldest, r.spare(v))
		}
	}
	r.oldest = p.Chain[oldest].Version
	for _, m := range p.Chain[oldest:] {
		r.needed[ManifestKey(m.Dataset, m.Version, m.Digest)] = true
	}
	for _, f := range p.Files {
		folder := string(p.Chain[0].Dataset) + "/"
		if key, ok := strings.CutPrefix(f.Key, folder); ok && r.goes(f, plan.Horizon) {
			f.Key = key
			plan.Files = append(plan.Files, f)
		}
	}
	slices.SortFunc(plan.Files, func(a, b Info) int { return cmp.Compare(a.Key, b.Key) })
	return plan
}

// A Reason is why a version stays.
type Reason struct {
	Kind ReasonKind
	// Of is the output that an Input was made into, the first of several, or the
	// version that is reached OnTheWay; else empty.
	Of string
}

// A ReasonKind is what a Reason is about, in words.
type ReasonKind string

// The kinds of reasons.
const (
	Newest    ReasonKind = "newest"          // one of the newest that the policy keeps
	Pinned    ReasonKind = "pinned"          // consumers are held at it
	Input     ReasonKind = "input"           // of a kept output
	Young     ReasonKind = "in use recently" // within the time that the policy keeps
	Reachable ReasonKind = "newest readable" // the newest that can be had, or after that
	AfterPin  ReasonKind = "after the pin"   // no entry of the log may name it until the unpin
	OnTheWay  ReasonKind = "on the way"      // its blobs lead to one that stays
)

// String returns a phrase for a person.
func (r Reason) String() string {
	switch r.Kind {
	case Input:
		return "input of " + r.Of
	case OnTheWay:
		return "leads to " + r.Of
	}
	return string(r.Kind)
}

// pruner gathers the keys that a plan must keep.
type pruner struct {
	Prunable
	policy PrunePolicy
	needed map[string]bool
	there  map[string]bool      // keys
	spared [][2]dataset.Version // from the first one to the second
	oldest dataset.Version      // from which on history is found
}

// spare keeps all that may lead to version v, if a manifest on the way is lost: nobody
// knows what it names before it is put back. It returns which version history must reach.
func (r *pruner) spare(v dataset.Version) (oldest int) {
	from := dataset.None
	oldest = len(r.Chain) - 1
	for i, m := range slices.Backward(r.Chain) {
		if m.Version > v {
			continue
		}
		oldest = i
		if r.has(m, m.Snapshot) {
			from = m.Version
			break
		}
	}
	lost := func(l dataset.Version) bool { return l >= from && l <= v }
	before := r.Chain[0].Previous != dataset.None && r.Chain[0].Snapshot == nil // no prune leaves that as the first
	if !slices.ContainsFunc(r.Lost, lost) && !(from == dataset.None && before) {
		return len(r.Chain) - 1
	}
	if from == dataset.None {
		oldest = 0
	}
	r.spared = append(r.spared, [2]dataset.Version{from, v})
	return oldest
}

// first returns the oldest of the newest versions that the policy keeps.
func (r *pruner) first() int {
	first := max(len(r.Chain)-max(r.policy.Keep, 1), 0)
	for i := range first {
		if r.young(r.Chain[i+1].Created) {
			return i // i was in use until the one after it came
		}
	}
	return first
}

// why returns why version i stays, if it does; first is the oldest of those that
// stay with all after them.
func (r *pruner) why(i, first int) (out []Reason) {
	v := r.Chain[i].Version
	add := func(is bool, kind ReasonKind, of string) {
		if is {
			out = append(out, Reason{kind, of})
		}
	}
	add(i >= len(r.Chain)-max(r.policy.Keep, 1), Newest, "")
	add(v == r.Pin, Pinned, "")
	if outputs := r.Inputs[v]; len(outputs) > 0 {
		of := outputs[0]
		if more := len(outputs) - 1; more > 0 {
			of = fmt.Sprintf("%s and %d more", of, more)
		}
		add(true, Input, of)
	}
	add(i+1 < len(r.Chain) && r.young(r.Chain[i+1].Created), Young, "")
	add(r.Pin != dataset.None && v > r.Pin && v >= r.Horizon && len(out) == 0, AfterPin, "")
	add(i >= first && len(out) == 0, Reachable, "")
	return out
}

// reachable returns first, or the newest version before it that can be had if
// none from it on can; false if there is none.
func (r *pruner) reachable(first int) (int, bool) {
	for i := len(r.Chain) - 1; i >= 0; i-- {
		if _, ok := r.base(i); ok {
			return min(first, i), true
		}
	}
	return 0, false
}

func (r *pruner) young(t time.Time) bool {
	return r.policy.KeepFor > 0 && r.policy.Now.Sub(t) < r.policy.KeepFor
}

// base returns the version whose snapshot is the nearest one that leads to
// version i by deltas; false if nothing does any more.
func (r *pruner) base(i int) (int, bool) {
	for ; ; i-- {
		m := r.Chain[i]
		if r.has(m, m.Snapshot) {
			return i, true
		}
		if i == 0 || m.Segment == m.Version || !r.has(m, m.Delta) || r.Chain[i-1].Version != m.Previous {
			return 0, false
		}
	}
}

// keep needs all blobs of version i, and those that lead to it from base, which
// it returns.
func (r *pruner) keep(i, base int) (way []Needed) {
	m := r.Chain[i]
	r.need(m, m.Snapshot, m.Delta, m.ReverseDelta, m.Header)
	way = r.need(r.Chain[base], r.Chain[base].Snapshot)
	for _, m := range r.Chain[base+1 : i+1] {
		way = append(way, r.need(m, m.Delta)...)
	}
	return way
}

func (r *pruner) need(m Chained, refs ...*Ref) (out []Needed) {
	for _, ref := range refs {
		if ref != nil {
			n := Needed{BlobKey(m.Dataset, m.Version, ref.Digest), *ref}
			r.needed[n.Key] = true
			out = append(out, n)
		}
	}
	return out
}

func (r *pruner) has(m Chained, ref *Ref) bool {
	return ref != nil && r.there[BlobKey(m.Dataset, m.Version, ref.Digest)]
}

// goes says whether a file can go.
func (r *pruner) goes(f Info, horizon dataset.Version) bool {
	folder, name := path.Split(f.Key)
	if f := path.Base(folder); f != "blobs" && f != "versions" {
		return false
	}
	version, digest, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
	v, err := dataset.ParseVersion(version)
	if err != nil || v >= horizon || slices.ContainsFunc(r.spared, func(s [2]dataset.Version) bool { return v >= s[0] && v <= s[1] }) {
		return false
	}
	if path.Base(folder) == "versions" && v >= r.oldest && slices.Contains(r.Lost, v) {
		return false // it is damaged, and may be put back
	}
	if _, err := dataset.ParseDigest(digest); err != nil {
		return false
	}
	return !r.needed[f.Key] && !r.young(f.Modified)
}
