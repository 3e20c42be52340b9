package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// fillers is the number of records that only take time.
const fillers = 300

// process is one publish.
type process struct {
	name   string
	cmd    *exec.Cmd
	output bytes.Buffer
	errs   bytes.Buffer
	begun  time.Time
	done   chan error
}

// begin starts a publish whose content nobody else publishes.
func (f *fight) begin(ctx context.Context, name string) (*process, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, `{"id":"op","by":%q}`+"\n", name)
	for i := range fillers {
		fmt.Fprintf(&text, `{"id":"filler %d","by":"%s %d"}`+"\n", i, name, i%7)
	}
	file := filepath.Join(f.Dir, name+".jsonl")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	p := &process{name: name, begun: time.Now(), done: make(chan error, 1)}
	p.cmd = f.command(context.WithoutCancel(ctx), "publish", "--store", f.Store, "--schema", f.schema, "--name", name, "--snapshot-every", "5", "-o", "json", "items", file)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.errs
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := p.cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, p.errs.String())
		}
		_ = os.Remove(file) // it lies in a folder for nothing else
		p.done <- err
	}()
	return p, nil
}

// version returns what a publish that ended well said.
func (p *process) version() string {
	var r struct {
		Version   string
		Published bool
	}
	if json.Unmarshal(p.output.Bytes(), &r) != nil || !r.Published {
		return ""
	}
	return r.Version
}

// conflicts is how often a publish that has ended lost a race, as it says.
func (p *process) conflicts() int {
	return bytes.Count(p.errs.Bytes(), []byte("another version was announced meanwhile"))
}

// publisher publishes, harmed or not, until there is enough.
func (f *fight) publisher(ctx context.Context, n int) {
	random := rand.New(rand.NewPCG(f.Seed, uint64(n)))
	usual := 100 * time.Millisecond // how long a publish takes that is left alone
	for i := 0; ctx.Err() == nil; i++ {
		f.mu.Lock()
		enough := f.Runs > 0 && f.harmed >= f.Runs
		f.mu.Unlock()
		if enough {
			return
		}
		name, h := fmt.Sprintf("p%d-%d", n, i), f.draw(random, usual)
		took, err := f.publish(context.WithoutCancel(ctx), name, h)
		if err != nil {
			f.say("%s: %v", name, err)
			return
		}
		if h.kind >= unharmed {
			usual = (3*usual + took) / 4
		}
	}
}

// publish has one process publish, and harms it.
func (f *fight) publish(ctx context.Context, name string, h instant) (took time.Duration, err error) {
	var w *watch
	if h.stage != "" {
		if w, err = f.watch(ctx, h.stage); err != nil {
			return 0, err
		}
	}
	p, err := f.begin(ctx, name)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	f.report.Published++
	f.mu.Unlock()
	killed, ended := f.harm(ctx, p, h, w)
	f.note(p, killed, ended)
	return time.Since(p.begun), nil
}

// Kinds of harm are numbers up to kinds: up to paused, the process is stopped
// and then continued (but for pausedAndKilled), from unharmed on it is left
// alone, and between them it is killed.
const (
	pausedAndKilled = 0
	paused          = 3
	unharmed        = 8
	kinds           = 10
)

// The stages that can be seen in the store.
const (
	stageManifest = "versions"
	stageEntry    = "log"
)

// instant is when and how a process is harmed: some time after it has begun,
// or after it has come to a stage.
type instant struct {
	kind         int
	stage        string
	after, pause time.Duration
}

// draw decides on an instant of a publish that usually takes so long.
func (f *fight) draw(random *rand.Rand, usual time.Duration) instant {
	h := instant{
		kind: random.IntN(kinds), pause: time.Duration(random.Float64() * float64(max(time.Second, 5*usual))),
		stage: []string{"", "", stageManifest, stageEntry}[random.IntN(4)],
	}
	part := 1.1 // of usual
	if h.stage != "" {
		part = 0.1
	}
	h.after = time.Duration(random.Float64() * part * float64(usual))
	if f.Harmless {
		h.kind = unharmed
	}
	if h.kind >= unharmed {
		h.stage = ""
	}
	return h
}

// await waits for the instant; true if the process has ended before, with err.
func (f *fight) await(ctx context.Context, p *process, h instant, w *watch) (ended bool, err error) {
	if w != nil {
		if ended, err := w.until(ctx, p); ended {
			return true, err
		} else if err != nil {
			f.say("watch %s: %v", p.name, err)
		}
	}
	select {
	case err := <-p.done:
		return true, err
	case <-time.After(h.after):
		return false, nil
	}
}

// harm kills or stops the process at an instant, unless it has ended before.
// err is what it ended with.
func (f *fight) harm(ctx context.Context, p *process, h instant, w *watch) (killed bool, err error) {
	if h.kind >= unharmed {
		return false, <-p.done
	}
	if ended, err := f.await(ctx, p, h, w); ended {
		return false, err // it was faster
	}
	f.mu.Lock()
	f.harmed++
	if n := f.harmed; n%50 == 0 {
		f.Log("%d of %d harmed", n, f.Runs)
	}
	f.mu.Unlock()
	if h.kind <= paused { // stopped for long; others go on
		_ = p.cmd.Process.Signal(syscall.SIGSTOP) // may have ended
		select {
		case err := <-p.done:
			return false, err
		case <-time.After(h.pause):
		}
		if h.kind != pausedAndKilled {
			f.mu.Lock()
			f.report.Paused++
			f.mu.Unlock()
			_ = p.cmd.Process.Signal(syscall.SIGCONT) // may have ended
			return false, <-p.done
		}
	}
	_ = p.cmd.Process.Kill() // may have ended
	err = <-p.done
	return err != nil, err
}

// note keeps what the process was told.
func (f *fight) note(p *process, killed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Conflicts += p.conflicts()
	version := p.version()
	switch {
	case version != "": // it was told, whatever came then
		f.acked[p.name], f.newest = version, max(f.newest, version)
		if killed {
			f.report.Killed++
			f.killed = append(f.killed, p.name)
		}
	case killed:
		f.report.Killed++
		f.killed = append(f.killed, p.name)
	default:
		f.problem = append(f.problem, fmt.Sprintf("%s failed though nobody killed it: %v", p.name, err))
	}
}
