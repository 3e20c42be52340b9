package featuregate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// object is a record as JSON has it.
type object = map[string]any

func objects(t testing.TB, e Edition, n dataset.Name) []object {
	t.Helper()
	var out []object
	for _, line := range lines(t, e, n) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("edition %s: %s: %v", e.Name, n, err)
		}
		out = append(out, o)
	}
	return out
}

func list(o object, member string) []object {
	var out []object
	values, _ := o[member].([]any)
	for _, v := range values {
		out = append(out, v.(object))
	}
	return out
}

func text(o object, member string) string { return o[member].(string) }

// naive decides by looking everything up by name, in the order of the rules'
// words. It knows nothing of slots and of messages.
type naive struct {
	versions map[string][]string // of a browser, in order
	newest   map[string]string   // of a browser: the last version with a release date
}

func newNaive(browsers []object) naive {
	n := naive{map[string][]string{}, map[string]string{}}
	for _, b := range browsers {
		for _, v := range list(b, "versions") {
			n.versions[text(b, "id")] = append(n.versions[text(b, "id")], text(v, "version"))
			if v["released"] != nil {
				n.newest[text(b, "id")] = text(v, "version")
			}
		}
	}
	return n
}

// code returns the support code of a browser version, or u if it is in no
// range.
func (n naive) code(feature object, browser, version string) string {
	if version == "0" {
		version = n.newest[browser]
	}
	order := n.versions[browser]
	at := slices.Index(order, version)
	if at < 0 {
		return "u"
	}
	for _, v := range feature["support"].([]any) {
		s := v.(object)
		if text(s, "browser") != browser {
			continue
		}
		for _, r := range list(s, "ranges") {
			first, last := slices.Index(order, text(r, "first")), slices.Index(order, text(r, "last"))
			if first >= 0 && last >= 0 && first <= at && at <= last {
				return text(r, "code")
			}
		}
	}
	return "u"
}

// naiveDecision is what there is to know about a feature in a region.
type naiveDecision struct {
	feature, region      string
	full, partial, total float64
	available            bool
}

// kind says what a code counts as.
func kind(code string) byte {
	words := strings.Split(code, " ")
	if slices.Contains(words[1:], "d") || words[0] == "" {
		return 0
	}
	return words[0][0]
}

// naiveShare is a share as it is written, but for its browser version, which is
// a place in a list of all that are in use.
type naiveShare struct {
	version int
	percent float64
}

type naiveVersion struct{ browser, version string }

// naiveShares returns the shares of each region, and all versions in use.
func naiveShares(usage []object) (map[string][]naiveShare, []naiveVersion) {
	shares := map[string][]naiveShare{}
	var used []naiveVersion
	places := map[naiveVersion]int{}
	for _, u := range usage {
		for _, o := range list(u, "shares") {
			v := naiveVersion{text(o, "browser"), text(o, "version")}
			if _, ok := places[v]; !ok {
				places[v] = len(used)
				used = append(used, v)
			}
			shares[text(u, "region")] = append(shares[text(u, "region")], naiveShare{places[v], o["percent"].(float64)})
		}
	}
	return shares, used
}

// decide hands PROD's decisions to emit.
func (n naive) decide(features, usage []object, emit func(naiveDecision)) {
	shares, used := naiveShares(usage)
	for _, f := range features {
		var kinds []byte // of used
		for _, v := range used {
			kinds = append(kinds, kind(n.code(f, v.browser, v.version)))
		}
		for _, u := range usage {
			d := naiveDecision{feature: text(f, "id"), region: text(u, "region")}
			for _, s := range shares[d.region] {
				d.total += s.percent
				switch kinds[s.version] {
				case 'y':
					d.full += s.percent
				case 'a':
					d.partial += s.percent
				}
			}
			d.available = d.full >= 0.95*d.total
			emit(d)
		}
	}
}

// candidate turns a decision of PROD's into the candidate's.
func (d naiveDecision) candidate() naiveDecision {
	d.full, d.partial = d.full+d.partial, 0
	d.available = d.full >= 0.95*d.total
	return d
}
