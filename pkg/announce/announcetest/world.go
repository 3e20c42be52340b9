package announcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// Errors that a World gives to its processes.
var (
	// ErrCrashed says that the process is dead: nothing that it does counts.
	ErrCrashed = errors.New("process crashed")
	// ErrLost says that nothing is known about an operation.
	ErrLost = errors.New("no answer")
	// ErrStuck says that a run does not end.
	ErrStuck = errors.New("run does not end")
)

// World runs processes that share one store, one operation of one process at
// a time. Which one, and what becomes of it, its Chooser says: an operation
// may fail, be done without an answer, be done later, or be refused after an
// attempt whose answer was lost; a process may pause for as long as others have
// something to do, give up, or crash; and what a paused process has sent may be
// done, or the process crash, while another goes on. Use it within a synctest
// bubble: time is virtual.
type World struct {
	// Store is what is really there.
	Store *blob.Memory
	// Put and Deleted, if not nil, are called after a key was created or
	// deleted. Their error ends the run.
	Put     func(key string, data []byte) error
	Deleted func(key string) error

	c        *Chooser
	mu       sync.Mutex // orders what processes and Run do; they take turns
	all      []*Process
	running  *Process
	late     []*operation
	overruns bool // a Put replaces what is there
	stopped  bool // no process starts again
	steps    []string
	err      error
}

// NewWorld returns a World whose choices c makes.
func NewWorld(c *Chooser) *World { return &World{Store: blob.NewMemory(), c: c} }

// Overwrite makes the store forget that it is create-only.
func (w *World) Overwrite() { w.overruns = true }

// Fail ends the run with err.
func (w *World) Fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Steps returns what happened, one step a line.
func (w *World) Steps() string { return strings.Join(w.steps, "\n") }

// Process is one process of a World; it is a blob.Store.
type Process struct {
	// Name is that of the process; Life counts its starts, from 1.
	Name string
	Life int

	w       *World
	ctx     context.Context
	die     context.CancelFunc
	giveUp  context.CancelFunc
	waiting *operation
	refused string // the key under which the next Put certainly writes nothing
	dead    bool
	ended   bool
}

var _ blob.Store = (*Process)(nil)

// String returns the name of this life of the process.
func (p *Process) String() string { return fmt.Sprintf("%s/%d", p.Name, p.Life) }

// Context returns the context of the process's next action: it ends when the
// process gives up waiting for that, or crashes.
func (p *Process) Context() context.Context {
	if p.giveUp != nil {
		p.giveUp()
	}
	var ctx context.Context
	ctx, p.giveUp = context.WithCancel(p.ctx)
	return ctx
}

// Crashed says whether this life is over.
func (p *Process) Crashed() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.dead
}

// Go starts a process, and again after each crash, at most lives times.
func (w *World) Go(name string, lives int, run func(*Process)) {
	begin := func(life int) *Process {
		p := &Process{Name: name, Life: life, w: w}
		p.ctx, p.die = context.WithCancel(context.Background())
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = append(w.all, p)
		return p
	}
	p := begin(1)
	go func() {
		for {
			run(p)
			p.Context()
			p.giveUp()
			p.die()
			w.mu.Lock()
			p.ended = true
			again := p.dead && p.Life < lives && !w.stopped
			w.mu.Unlock()
			if !again {
				return
			}
			p = begin(p.Life + 1)
		}
	}()
}

// maxSteps is more than any run takes that makes progress.
const maxSteps = 2000

// Run runs until all processes have ended and returns what was wrong.
func (w *World) Run() error {
	for range maxSteps {
		synctest.Wait()
		if w.err != nil {
			w.stop()
			return w.err
		}
		events := w.events()
		if len(events) == 0 {
			w.land()
			return w.err
		}
		e := events[w.c.Choose(len(events))]
		w.steps = append(w.steps, e.what())
		e.do()
	}
	w.stop()
	return ErrStuck
}

// land lets come what is still under way.
func (w *World) land() {
	for _, o := range w.late {
		_ = o.effect() // nobody waits for the answer
	}
}

// stop ends all processes.
func (w *World) stop() {
	w.mu.Lock()
	w.stopped = true
	all := slices.Clone(w.all)
	for _, p := range all {
		p.dead = true
	}
	w.mu.Unlock()
	for _, p := range all {
		p.die()
		if p.waiting != nil {
			p.waiting.answer(ErrCrashed)
		}
	}
	synctest.Wait()
}

// event is something that may happen next.
type event struct {
	what func() string // said of what happens only
	do   func()
}

// events returns what may happen next, what happens on a good day first.
func (w *World) events() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first, sleep, others, behind []event
	alive := false
	for _, p := range w.all {
		if p.ended {
			continue
		}
		alive = true
		switch {
		case p.waiting == nil && p == w.running:
			sleep = []event{pause(p.String() + " sleeps")}
		case p.waiting == nil:
		case p == w.running:
			first = []event{w.event(p, "", fine)}
		default:
			others = append(others, w.event(p, "", fine))
			behind = append(behind, w.behind(p)...)
		}
	}
	if !alive {
		return nil
	}
	out := append(append(first, sleep...), others...)
	if len(out) == 0 {
		return []event{pause("all sleep")}
	}
	if len(first) > 0 {
		out = append(out, w.faults(w.running)...)
	}
	if len(first)+len(sleep) > 0 {
		out = append(out, behind...)
	}
	for i, o := range w.late {
		out = append(out, event{func() string { return "late: " + o.String() }, func() {
			w.late = append(w.late[:i:i], w.late[i+1:]...)
			_ = o.effect() // nobody waits for the answer
		}})
	}
	return out
}

func pause(what string) event {
	return event{func() string { return what }, func() { time.Sleep(10 * time.Millisecond) }}
}

// fate is what becomes of an operation.
type fate struct {
	done, late     bool // it has its effect, now or later
	answered       bool
	refused        bool // the answer is that nothing was written
	refuses        bool // so is that to the next attempt
	gives, crashes bool // its process gives up, or crashes
	behind         bool // the process that runs goes on
}

var fine = fate{done: true, answered: true}

// appends says whether o may append an entry.
func (o *operation) appends() bool { return o.verb == "put" && strings.Contains(o.key, "/log/") }

// changes says whether o may change the store.
func (o *operation) changes() bool { return o.verb == "put" || o.verb == "delete" }

// faults returns what may go wrong with what p, which runs, waits for.
func (w *World) faults(p *Process) (out []event) {
	o := p.waiting
	add := func(what string, f fate) { out = append(out, w.event(p, what, f)) }
	if o.key == "" { // not of the store
		return nil
	}
	if !o.appends() {
		add("fails", fate{})
		if o.changes() {
			add("crash", fate{crashes: true})
		}
		return out
	}
	for _, end := range []struct {
		what string
		fate fate
	}{{"", fate{}}, {", gives up", fate{gives: true}}, {", crash", fate{crashes: true}}, {", then not written", fate{refuses: true}}} {
		f := end.fate
		add("lost"+end.what, f)
		f.done = true
		add("done without an answer"+end.what, f)
		f.done, f.late = false, true
		add("late"+end.what, f)
	}
	add("not written", fate{refused: true})
	return out
}

// behind returns what may become of p, which is paused, while another process
// goes on. That a read fails makes no difference before p itself goes on.
func (w *World) behind(p *Process) (out []event) {
	o := p.waiting
	if o.key == "" || !o.changes() {
		return nil
	}
	add := func(what string, f fate) {
		f.behind = true
		out = append(out, w.event(p, what+", meanwhile", f))
	}
	add("crash", fate{crashes: true})
	if o.appends() {
		add("done", fine)
		add("done without an answer", fate{done: true})
		add("done, crash", fate{done: true, crashes: true})
	}
	return out
}

func (w *World) event(p *Process, what string, f fate) event {
	o := p.waiting
	return event{func() string { return strings.TrimSpace(fmt.Sprintf("%s: %s %s", p, o, what)) }, func() { w.let(p, o, f) }}
}

// let makes o come to f.
func (w *World) let(p *Process, o *operation, f fate) {
	w.mu.Lock()
	if p.waiting = nil; !f.behind {
		w.running = p
	}
	if p.dead = f.crashes; f.refuses {
		p.refused = o.key
	}
	w.mu.Unlock()
	err := error(nil)
	if f.done {
		err = o.effect()
	}
	if f.late {
		w.late = append(w.late, o)
	}
	switch {
	case f.refused:
		err = notWritten(o.key)
	case !f.answered:
		err = ErrLost
	}
	if f.gives && p.giveUp != nil {
		p.giveUp()
	}
	if f.crashes {
		p.die()
		err = ErrCrashed
	}
	o.answer(err)
}

// operation is a call of the store.
type operation struct {
	verb, key string
	effect    func() error
	answered  chan error
}

func (o *operation) String() string   { return o.verb + " " + o.key }
func (o *operation) answer(err error) { o.answered <- err }

// call waits until the World lets an operation happen.
func (p *Process) call(verb, key string, effect func() error) error {
	if p.Crashed() {
		return fmt.Errorf("%s %s: %w", verb, key, ErrCrashed)
	}
	if verb == "put" && p.refuses(key) {
		return notWritten(key)
	}
	o := &operation{verb, key, effect, make(chan error)}
	p.w.mu.Lock()
	p.waiting = o
	p.w.mu.Unlock()
	return <-o.answered
}

// refuses says, once, whether a Put under key is to be refused.
func (p *Process) refuses(key string) bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.refused != key {
		return false
	}
	p.refused = ""
	return true
}

func notWritten(key string) error { return fmt.Errorf("put %s: %w", key, blob.ErrNotWritten) }

// Swap lets effect take another store's place, after others had their chance to
// come between. What the others have sent is lost with the store that was.
func (p *Process) Swap(effect func()) error {
	return p.call("swap the store", "", func() error {
		w := p.w
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late = nil
		for _, other := range w.all {
			if o := other.waiting; o != nil && o.changes() {
				o.effect = func() error { return ErrLost }
			}
		}
		effect()
		return nil
	})
}

// Put implements blob.Store.
func (p *Process) Put(_ context.Context, key string, data []byte) error {
	ctx, w := context.Background(), p.w // an effect comes even if its caller is gone
	return p.call("put", key, func() error {
		if w.overruns {
			_ = w.Store.Delete(ctx, key) // never fails
		}
		err := w.Store.Put(ctx, key, data)
		if err == nil && w.Put != nil {
			if err := w.Put(key, data); err != nil {
				w.Fail(err)
			}
		}
		return err
	})
}

// Get implements blob.Store.
func (p *Process) Get(_ context.Context, key string) (b []byte, err error) {
	err = p.call("get", key, func() (err error) { b, err = p.w.Store.Get(context.Background(), key); return err })
	return b, err
}

// Stat implements blob.Store.
func (p *Process) Stat(_ context.Context, key string) (info blob.Info, err error) {
	err = p.call("stat", key, func() (err error) { info, err = p.w.Store.Stat(context.Background(), key); return err })
	return info, err
}

// List implements blob.Store.
func (p *Process) List(_ context.Context, prefix string) (infos []blob.Info, err error) {
	err = p.call("list", prefix, func() (err error) { infos, err = p.w.Store.List(context.Background(), prefix); return err })
	return infos, err
}

// Delete implements blob.Store.
func (p *Process) Delete(_ context.Context, key string) error {
	return p.call("delete", key, func() error {
		err := p.w.Store.Delete(context.Background(), key)
		if err == nil && p.w.Deleted != nil {
			if err := p.w.Deleted(key); err != nil {
				p.w.Fail(err)
			}
		}
		return err
	})
}
