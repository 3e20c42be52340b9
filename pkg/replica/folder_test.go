package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// pathDependent is what Verify says of a blob.
func pathDependent(name, other string) string {
	return fmt.Sprintf("%s leads to another state than %s: the schema changed", name, other)
}

// TestFolderPathDependent names where a consumer that goes by delta comes to
// another state than one that starts there. The Java library's own dumps of this
// case differ after just these.
func TestFolderPathDependent(t *testing.T) {
	f, err := replica.OpenFolder(golden.Load(t, "13-schema-evolution").Extract(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Verify(t.Context())
	if err != nil || len(v.Problems) > 0 {
		t.Fatalf("problems %q, error %v", v.Problems, err)
	}
	var want []string
	for _, x := range []int{3, 6} {
		a, b := fmt.Sprintf("%017d", 20250101000014000+x), fmt.Sprintf("%017d", 20250101000014001+x)
		want = append(want, pathDependent("delta-"+a+"-"+b, "snapshot-"+b), pathDependent("reversedelta-"+b+"-"+a, "snapshot-"+a))
	}
	if !slices.Equal(v.PathDependent, want) {
		t.Errorf("path-dependent:\n%s\nwant\n%s", strings.Join(v.PathDependent, "\n"), strings.Join(want, "\n"))
	}
	if f, err = replica.OpenFolder(golden.Load(t, "12-delta-chain").Extract(t)); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Verify(t.Context()); err != nil || len(v.PathDependent) > 0 || v.PathDependent == nil {
		t.Errorf("one schema: path-dependent %q, error %v", v.PathDependent, err)
	}
}

// TestVerifyPathDependent does the same in a store, where only Java's consumers
// go by delta into another schema segment.
func TestVerifyPathDependent(t *testing.T) {
	w, dir := stored(t)
	before, after := w.versions[2].String(), w.versions[3].String() // the schema got wider
	want := []string{
		pathDependent("delta-"+before+"-"+after, "snapshot-"+after),
		pathDependent("reversedelta-"+after+"-"+before, "snapshot-"+before),
	}
	if v := verify(t, dir); len(v.Problems) > 0 || !slices.Equal(v.PathDependent, want) {
		t.Errorf("problems %q, path-dependent %q, want %q", v.Problems, v.PathDependent, want)
	}
}
