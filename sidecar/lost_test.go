package sidecar

import (
	"slices"
	"strings"
	"testing"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestVersionsLost lists versions whose manifests are lost, each in its place.
func TestVersionsLost(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	var want []string
	for i := range 5 {
		want = append(want, p.publish(usage(1, i+1)...).String())
	}
	manifests, err := store.List(t.Context(), "usage/versions/")
	if err != nil {
		t.Fatal(err)
	}
	lost := []string{want[0], want[2], want[3]}
	for _, m := range manifests {
		if slices.ContainsFunc(lost, func(v string) bool { return strings.Contains(m.Key, v) }) {
			if err := store.Delete(t.Context(), m.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	c := holdfastv1.NewLookupClient(dial(t, s.Addr()))
	list, err := c.Versions(t.Context(), &holdfastv1.VersionsRequest{Dataset: "usage"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range list.GetVersions() {
		got = append(got, v.GetVersion())
		if gone := slices.Contains(lost, v.GetVersion()); gone != (v.GetChecksum() == "") {
			t.Errorf("lost %v: %v", gone, v)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("versions %q, want %q", got, want)
	}
}
