package replay_test

import (
	"os"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// declare compiles what change makes of the output's declaration.
func declare(t *testing.T, change *strings.Replacer) *protomap.Mapping {
	t.Helper()
	filename, source := featuregate.Schema(featuregate.Output)
	m, err := protomap.Compile(t.Context(), filename, func(path string) ([]byte, error) {
		if path != filename {
			return nil, os.ErrNotExist
		}
		return []byte(change.Replace(string(source))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestBreakingSchema has candidates declare their output otherwise than PROD. A
// diff finds the same values by the same names, and who reads PROD's output by
// number would read others.
func TestBreakingSchema(t *testing.T) {
	w := newWorld(t, "prod", 5)
	enum := strings.NewReplacer("NO_USAGE_DATA = 1", "NO_USAGE_DATA = 2", "FULL_SUPPORT = 2", "FULL_SUPPORT = 1")
	fields := strings.NewReplacer("full_percent = 3", "full_percent = 4", "partial_percent = 4", "partial_percent = 3")
	adds := strings.NewReplacer("Reason reason = 7;", "Reason reason = 7; string comment = 8;", "NO_SUPPORT = 5;", "NO_SUPPORT = 5; OTHER = 6;")
	gate := compare.Rules{Gate: compare.Gate{Limits: []compare.Limit{{Of: "available"}}, Keys: true}}
	for _, x := range []struct {
		name    string
		change  *strings.Replacer
		rules   compare.Rules
		meant   bool
		control string
		want    compare.Verdict
		reason  string
	}{
		{"enum numbers", enum, compare.Rules{}, false, "prod", compare.Different, "the candidate's schema breaks PROD's readers: value FULL_SUPPORT of enum"},
		{"enum numbers, a gate", enum, gate, false, "prod", compare.NoGo, "breaks PROD's readers"},
		{"enum numbers, too few records", enum, compare.Rules{MinRecords: 9}, false, "prod", compare.Different, "too few records"},
		{"enum numbers, meant", enum, compare.Rules{}, true, "prod", compare.Same, ""},
		{"enum numbers, no control", enum, compare.Rules{}, true, "", compare.Inconclusive, "there is no control"},
		{"field numbers", fields, compare.Rules{}, false, "prod", compare.Different, "field full_percent of Availability is now called partial_percent"},
		{"field numbers, meant", fields, gate, true, "prod", compare.Go, ""},
		{"what only adds", adds, compare.Rules{}, false, "prod", compare.Different, "0 records were added, 0 removed, 5 changed"},
		{"what only adds, ignored", adds, compare.Rules{Ignore: []string{"comment"}}, false, "prod", compare.Same, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			cfg := w.config(x.control, "plain")
			cfg.Schema, cfg.Rules, cfg.Breaking = declare(t, x.change), x.rules, x.meant
			r := w.replay(cfg)
			wantVerdict(t, r, x.want, x.reason)
			if (len(r.Breaks) > 0) != (x.change != adds && x.control != "") {
				t.Errorf("the report says that it breaks %q", r.Breaks)
			}
		})
	}
}
