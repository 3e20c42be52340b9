package featuregate

import (
	"cmp"
	"fmt"
	"slices"

	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// Inputs are the records of one version of each input dataset, in any order.
// Decide reads them only.
type Inputs struct {
	Features []*pb.Feature
	Browsers []*pb.Browser
	Usage    []*pb.Usage
}

// region is a region with its shares resolved.
type region struct {
	name   string
	shares []share // in the order of the record
	total  float64
}

type share struct {
	slot    uint32
	percent float64
}

// Decide hands the decision about every feature in every region to emit,
// ordered by feature and then by region, both in byte order. emit may keep what
// it gets; its first error ends the work.
//
// A share counts as full support when the code of its browser version begins
// with y and has no flag d, as partial support when it begins with a and has no
// flag d. Percentages are added up in the order of the region's shares. A
// version outside all ranges is not known to support anything; version 0 is the
// browser's newest version that has a release date.
func Decide(in Inputs, policy Policy, emit func(*pb.Availability) error) error {
	slots := newSlots(in.Browsers)
	regions := resolveRegions(in.Usage, slots)
	features := slices.SortedStableFunc(slices.Values(in.Features), func(a, b *pb.Feature) int {
		return cmp.Compare(a.GetId(), b.GetId())
	})
	bySlot := make([]support, slots.n)
	for _, f := range features {
		slots.fill(bySlot, f)
		for i := range regions {
			a := &pb.Availability{Feature: f.GetId(), Region: regions[i].name}
			full, partial := regions[i].sums(bySlot)
			policy.judge(a, full, partial, regions[i].total)
			if err := emit(a); err != nil {
				return fmt.Errorf("emit decision about %s in %s: %w", a.Feature, a.Region, err)
			}
		}
	}
	return nil
}

// resolveRegions returns the regions in byte order.
func resolveRegions(usage []*pb.Usage, s slots) []region {
	regions := make([]region, 0, len(usage))
	for _, u := range usage {
		r := region{name: u.GetRegion(), shares: make([]share, 0, len(u.GetShares()))}
		for _, x := range u.GetShares() {
			slot := s.resolve(x.GetBrowser(), x.GetVersion())
			r.shares = append(r.shares, share{uint32(slot), x.GetPercent()})
			r.total += x.GetPercent()
		}
		regions = append(regions, r)
	}
	slices.SortStableFunc(regions, func(a, b region) int { return cmp.Compare(a.name, b.name) })
	return regions
}

// sums adds up the shares of full and of partial support.
func (r *region) sums(bySlot []support) (fullSum, partialSum float64) {
	for _, x := range r.shares {
		switch bySlot[x.slot] {
		case full:
			fullSum += x.percent
		case partial:
			partialSum += x.percent
		}
	}
	return fullSum, partialSum
}
