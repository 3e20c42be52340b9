package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
	"github.com/holdfast-data/holdfast/sidecar"
)

// patienceOfLooks bounds the time of one look at the store, some of whose
// operations are slow.
const patienceOfLooks = time.Minute

// judge says what is wrong with an answer, and counts it.
func (f *fleet) judge(a answer) error {
	f.s.Counts.Reads++
	err := f.wrong(a)
	if err != nil {
		return fmt.Errorf("sidecar %d (%s), %+v: version %s, announced %s, age %s, %q, records %v, error %w: %w", a.sidecar, policies[a.sidecar],
			a.want, a.version, a.announced, a.age, a.state, a.records, a.err, err)
	}
	return nil
}

func (f *fleet) wrong(a answer) error {
	if errors.Is(a.err, errWrong) {
		return a.err
	}
	absent := a.how == get && a.id == records
	reason := reasonOf(a.err)
	if a.err != nil && !(absent && reason == "RECORD_NOT_FOUND") {
		f.s.Counts.Unanswered++
		return f.excuse(a, reason)
	}
	if a.session != nil && !a.begin.Before(a.session.atMost) {
		return errors.New("the session was over")
	}
	n, err := f.number(a.version)
	if err != nil {
		return err
	}
	if !absent || a.err == nil {
		if err := a.has(n); err != nil {
			return err
		}
	}
	f.count(a)
	return errors.Join(f.wanted(a), f.marked(a))
}

func (f *fleet) count(a answer) {
	c := &f.s.Counts
	for _, x := range []struct {
		to *int
		is bool
	}{{&c.Typed, a.typed}, {&c.InSession, a.session != nil}, {&c.Marked, a.state == replica.StateStale}, {&c.Cold, a.age < 0}} {
		if x.is {
			*x.to++
		}
	}
}

// number returns what the records of an announced version say.
func (f *fleet) number(v dataset.Version) (int64, error) {
	d, ok := f.s.truth.manifests[v]
	if !ok {
		return 0, fmt.Errorf("version %s was not announced", v)
	}
	return f.s.truth.announced[d], nil
}

// has says whether an answer has the records that it should, all of one
// version.
func (a *answer) has(n int64) error {
	var want []record
	for i := range records {
		want = append(want, record{fmt.Sprint("r", i), n})
	}
	got := slices.Clone(a.records)
	switch a.how {
	case get:
		if a.id == records {
			return errors.New("a record that is not there")
		}
		want = want[a.id : a.id+1]
	case batch:
		want = append(want, record{})
	case list:
		slices.SortFunc(got, func(a, b record) int { // r2 before r10
			return (len(a.ID)-len(b.ID))*1000 + slices.Compare([]byte(a.ID), []byte(b.ID))
		})
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("want the records of the version that says %d", n)
	}
	return nil
}

// wanted says whether an answer is of a version that was asked for.
func (f *fleet) wanted(a answer) error {
	switch {
	case a.want.version != dataset.None && a.version != a.want.version:
		return errors.New("another version was asked for")
	case a.session != nil && a.version != a.session.version:
		return fmt.Errorf("the session has version %s", a.session.version)
	case a.version < a.min:
		return errors.New("older than was asked for")
	case a.maxAge >= 0 && (a.age < 0 || a.age > a.maxAge):
		return errors.New("staler than was asked for")
	case a.want.version != dataset.None || a.session != nil:
		return nil
	case policies[a.sidecar] == sidecar.PolicyRefuse && (a.age < 0 || a.age > maxStaleness):
		return errors.New("staler than the policy allows")
	}
	f.all[a.sidecar].served[a.typed] = true
	d := f.s.truth.manifests[a.version]
	if a.age >= 0 && !f.s.stood(d, a.begin.Add(-a.age-time.Millisecond), a.end) {
		return fmt.Errorf("it was not effective within its age: positions %v", f.s.truth.effective[d])
	}
	return f.s.truth.advance(a.sidecar, a.version, d)
}

// marked says whether an answer says rightly how fresh it is.
func (f *fleet) marked(a answer) error {
	if a.announced != dataset.None {
		if _, err := f.number(a.announced); err != nil {
			return err
		}
	}
	switch {
	case a.state == replica.StateStale:
		return nil
	case a.state != replica.StateReady:
		return errors.New("what is read is ready or stale")
	case a.age < 0:
		return errors.New("ready, and never confirmed")
	case a.age > poll+patienceOfLooks:
		return errors.New("ready, and not confirmed for long")
	case policies[a.sidecar] == sidecar.PolicyMark && a.age > maxStaleness:
		return errors.New("not marked as stale")
	}
	if head := f.s.head(a.begin.Add(-a.age - time.Millisecond)); a.announced < head {
		return fmt.Errorf("ready, and %s had been announced", head)
	}
	return nil
}

// head returns the newest version that was announced before a time.
func (s *Scenario) head(before time.Time) dataset.Version {
	head := dataset.None
	for v, d := range s.truth.manifests {
		// A version is effective from its announcement on, unless there is a pin.
		if positions := s.truth.entries[d]; len(positions) > 0 {
			if at, ok := s.times.of(positions[0]); ok && at.Before(before) {
				head = max(head, v)
			}
		}
	}
	return head
}

// reasonOf returns the reason of a failed call, empty if it has none.
func reasonOf(err error) string {
	s, _ := status.FromError(err)
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return s.Code().String()
}

// excuse says why a call may not fail for a reason.
func (f *fleet) excuse(a answer, reason string) error {
	named := a.want.version != dataset.None
	allowed := false
	switch reason {
	case "DATASET_NOT_LOADED":
		allowed = !f.all[a.sidecar].served[a.typed] // a service comes after its version
	case "TOO_STALE":
		bound := a.maxAge
		if policies[a.sidecar] == sidecar.PolicyRefuse && !named && a.session == nil && (bound < 0 || bound > maxStaleness) {
			bound = maxStaleness
		}
		allowed = bound >= 0 && (a.age < 0 || a.age >= bound.Truncate(time.Millisecond))
	case "VERSION_NOT_REACHED":
		allowed = a.min != dataset.None
	case "VERSION_NOT_READABLE", "DEADLINE", "DeadlineExceeded":
		allowed = named || a.min != dataset.None
	case "VERSION_NOT_FOUND":
		allowed = named && f.s.pruned(a.want.version)
	case "SESSION_NOT_FOUND":
		allowed = a.session != nil && !a.end.Before(a.session.atLeast)
	}
	if !allowed {
		return fmt.Errorf("it may not fail with %s", reason)
	}
	return nil
}

// pruned says whether the manifest of an announced version is gone.
func (s *Scenario) pruned(v dataset.Version) bool {
	_, err := blob.GetManifest(context.Background(), s.memory, items, v, s.truth.manifests[v])
	return err != nil
}

// session is one that a client opened.
type session struct {
	id              string
	version         dataset.Version
	atLeast, atMost time.Time // it lives until a time between these
}

// String names what a session holds.
func (x *session) String() string {
	return fmt.Sprintf("session at %s until %s", x.version, x.atLeast.Format(time.TimeOnly))
}

func (x *session) renewed(lease *durationpb.Duration, begin, end time.Time) {
	x.atLeast, x.atMost = begin.Add(lease.AsDuration()), end.Add(lease.AsDuration())
}

// openSession opens a session, at the newest version or at one that is named.
func (f *fleet) openSession(ctx context.Context, i int) error {
	x := f.all[i]
	ask := &holdfastv1.SessionDataset{Dataset: string(items)}
	w := want{sidecar: i, maxAge: -1}
	if f.s.random.IntN(3) == 0 {
		if w.version = f.s.truth.recent(f.s.random); w.version != dataset.None {
			ask.Version = w.version.String()
		}
	}
	short, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	begin := time.Now()
	out, err := holdfastv1.NewSessionsClient(x.conn).Open(short, &holdfastv1.OpenSessionRequest{
		Datasets: []*holdfastv1.SessionDataset{ask}, Lease: durationpb.New(time.Second + f.time(5*time.Minute)),
	})
	end := time.Now()
	if err := f.s.truth.look(ctx); err != nil {
		return err
	}
	if err != nil {
		return f.excuseSession(answer{want: w, begin: begin, end: end, err: err})
	}
	f.s.Counts.Sessions++
	held, err := dataset.ParseVersion(out.GetDatasets()[0].GetVersion())
	if err != nil {
		return err
	}
	if _, err := f.number(held); err != nil {
		return fmt.Errorf("session of sidecar %d: %w", i, err)
	}
	if w.version != dataset.None && held != w.version {
		return fmt.Errorf("session of sidecar %d has %s, not %s", i, held, w.version)
	}
	if w.version == dataset.None && out.GetConsistent() && !f.s.stood(f.s.truth.manifests[held], begin, end) {
		return fmt.Errorf("session of sidecar %d is consistent and has %s, which was not the newest", i, held)
	}
	opened := &session{id: out.GetId(), version: held}
	opened.renewed(out.GetLease(), begin, end)
	if x.sessions = append(x.sessions, opened); len(x.sessions) > 5 {
		x.sessions = x.sessions[1:]
	}
	return nil
}

// excuseSession says why a session may not be refused. What is opened at the
// newest version may have to be loaded.
func (f *fleet) excuseSession(a answer) error {
	f.s.Counts.Unanswered++
	reason := reasonOf(a.err)
	if a.want.version == dataset.None && slices.Contains([]string{"VERSION_NOT_READABLE", "DEADLINE", "DeadlineExceeded"}, reason) {
		return nil
	}
	if err := f.excuse(a, reason); err != nil {
		return fmt.Errorf("sidecar %d, session at %s: %w: %w", a.sidecar, a.want.version, a.err, err)
	}
	return nil
}

// touchSession renews or closes a session.
func (f *fleet) touchSession(ctx context.Context, i int) error {
	all := f.all[i].sessions
	if len(all) == 0 {
		return nil
	}
	x := all[f.s.random.IntN(len(all))]
	short, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	c, begin := holdfastv1.NewSessionsClient(f.all[i].conn), time.Now()
	if f.s.random.IntN(3) == 0 {
		_, err := c.Close(short, &holdfastv1.CloseSessionRequest{Id: x.id})
		x.atLeast, x.atMost = begin, begin
		return err
	}
	out, err := c.Renew(short, &holdfastv1.RenewSessionRequest{Id: x.id})
	end := time.Now()
	switch {
	case err == nil && !begin.Before(x.atMost):
		return fmt.Errorf("sidecar %d: %s was renewed after its end", i, x)
	case err == nil:
		x.renewed(out.GetLease(), begin, end)
		return nil
	case reasonOf(err) == "SESSION_NOT_FOUND" && !end.Before(x.atLeast):
		return nil
	}
	return fmt.Errorf("sidecar %d: %s cannot be renewed: %w", i, x, err)
}
