package announce

// Rules are the rules that a Log keeps by itself; what is set is broken.
type Rules struct {
	OwnHead, Link, Fold, SameBytes, Doubt, Admit, OwnEpoch, ClaimEpoch, Void, Gap bool
	Apply                                                                         func(Fold, Entry) (Fold, bool)
}

// Break makes l forget rules.
func Break(l *Log, r Rules) {
	l.broken = rules{
		ownHead: r.OwnHead, link: r.Link, fold: r.Fold, sameBytes: r.SameBytes, doubt: r.Doubt,
		admit: r.Admit, ownEpoch: r.OwnEpoch, claimEpoch: r.ClaimEpoch, void: r.Void, gap: r.Gap, apply: r.Apply,
	}
}

// BreakAdmit makes l forget that it may be deposed.
func BreakAdmit(l *Log) { l.broken.admit = true }
