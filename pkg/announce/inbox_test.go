package announce

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func TestInbox(t *testing.T) {
	in, now := newInbox(), time.Unix(1000, 0)
	hint := func(pos int64) Hint { return Hint{Dataset: "usage", Position: pos, Version: dataset.Version(pos)} }
	receive := func(pos int64, want bool) {
		t.Helper()
		if got := in.receive(hint(pos), now); got != want {
			t.Errorf("receive %d = %v, want %v", pos, got, want)
		}
	}
	take := func(wantWait time.Duration, want ...Hint) {
		t.Helper()
		got, wait := in.take(now)
		if fmt.Sprint(got) != fmt.Sprint(want) || wait != wantWait {
			t.Errorf("take = %v, %v; want %v, %v", got, wait, want, wantWait)
		}
	}
	receive(5, true)
	receive(5, false) // again
	receive(3, true)  // older than hearsay, which hides nothing
	take(0, hint(5))
	take(0)
	receive(6, true)
	take(lookPause) // not twice in lookPause
	receive(7, true)
	now = now.Add(lookPause)
	take(0, hint(7)) // only the newest
	if !in.confirm(hint(7)) || in.confirm(hint(7)) || in.confirm(hint(6)) {
		t.Error("confirm: want news once")
	}
	receive(7, false)
	receive(6, false)
	receive(999, true) // forged: a look is due, no more
	now = now.Add(lookPause)
	take(0, hint(999))
	receive(8, true) // the truth still gets through
	now = now.Add(lookPause)
	take(0, hint(8))
	if got := in.confirmed["usage"]; got != hint(7) {
		t.Errorf("confirmed %v, want 7: hearsay is not passed on", got)
	}
	in.confirm(hint(9))
	receive(9, false)
	in.forget("usage") // the log is another one
	receive(2, true)
	if !in.confirm(hint(2)) || in.confirmed["usage"] != hint(2) {
		t.Errorf("confirmed %v, want 2: the log before is forgotten", in.confirmed["usage"])
	}
	in.forget("usage")
	in.confirm(hint(9))
	receive(10, true)
	in.confirm(hint(10)) // the look was faster
	now = now.Add(lookPause)
	take(0)
	receive(11, true)
	now = now.Add(hintLife)
	take(0, hint(11))
	receive(11, true) // forgotten, so worth another look
}

func TestInboxIsBounded(t *testing.T) {
	in, now := newInbox(), time.Unix(1000, 0)
	for i := range 2 * maxUnconfirmed {
		in.receive(Hint{Dataset: dataset.Name(fmt.Sprint("d", i)), Position: 1, Version: 1}, now)
	}
	if n := len(in.unconfirmed); n != maxUnconfirmed {
		t.Errorf("%d datasets remembered, want %d", n, maxUnconfirmed)
	}
	in.take(now)
	now = now.Add(hintLife)
	if !in.receive(Hint{Dataset: "usage", Position: 1, Version: 1}, now) || len(in.unconfirmed) != 1 {
		t.Errorf("%d datasets remembered after all have expired, want 1", len(in.unconfirmed))
	}
}

func TestHintIsSmall(t *testing.T) {
	h := Hint{Dataset: dataset.Name(fmt.Sprintf("%063d", 0)), Position: 1<<63 - 1, Version: 1<<63 - 1}
	if n := len(h.Append(nil)); n != 83 {
		t.Errorf("greatest hint has %d bytes, want 83", n)
	}
}
