package featuregate

import (
	"fmt"

	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// threshold is the part of a region's usage that must support a feature fully.
const threshold = 0.95

// A Policy is a build of the logic.
type Policy uint8

const (
	// Prod counts full support only.
	Prod Policy = iota
	// Candidate counts partial support as full.
	Candidate
)

func (p Policy) String() string {
	switch p {
	case Prod:
		return "prod"
	case Candidate:
		return "candidate"
	}
	return fmt.Sprintf("Policy(%d)", uint8(p))
}

// judge puts the decision that follows from a region's sums into a.
func (p Policy) judge(a *pb.Availability, full, partial, total float64) {
	if p == Candidate {
		full, partial = full+partial, 0
	}
	a.FullPercent, a.PartialPercent, a.TotalPercent = full, partial, total
	a.Available = full >= threshold*total
	a.Reason = reason(a)
}

// reason names why a's figures lead to its decision.
func reason(a *pb.Availability) pb.Availability_Reason {
	switch {
	case a.TotalPercent == 0:
		return pb.Availability_NO_USAGE_DATA
	case a.Available:
		return pb.Availability_FULL_SUPPORT
	case a.FullPercent == 0 && a.PartialPercent == 0:
		return pb.Availability_NO_SUPPORT
	case a.FullPercent+a.PartialPercent >= threshold*a.TotalPercent:
		return pb.Availability_PARTIAL_SUPPORT
	}
	return pb.Availability_BELOW_THRESHOLD
}
