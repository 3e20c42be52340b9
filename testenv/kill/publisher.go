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
	p.cmd = f.command(context.WithoutCancel(ctx), "publish", "--store", f.store, "--schema", f.schema, "--name", name, "--snapshot-every", "5", "-o", "json", "items", file)
	p.cmd.Stdout = &p.output
	var errs bytes.Buffer
	p.cmd.Stderr = &errs
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := p.cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, &errs)
		}
		_ = os.Remove(file) // it lies in a folder for nothing else
		p.done <- err
	}()
	return p, nil
}

// end waits for the process, and says whether it ended well.
func (p *process) end() bool { return <-p.done == nil }

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

// publisher publishes, harmed or not, until there is enough.
func (f *fight) publisher(ctx context.Context, n int) {
	random := rand.New(rand.NewPCG(f.Seed, uint64(n)))
	usual := 100 * time.Millisecond // how long a publish takes that is left alone
	for i := 0; ctx.Err() == nil; i++ {
		f.mu.Lock()
		enough := f.Runs > 0 && f.harmed >= f.Runs
		if !enough {
			f.report.Published++
		}
		f.mu.Unlock()
		if enough {
			return
		}
		name := fmt.Sprintf("p%d-%d", n, i)
		p, err := f.begin(ctx, name)
		if err != nil {
			f.say("begin %s: %v", name, err)
			return
		}
		harm := random.IntN(10)
		if f.Harmless {
			harm = 9
		}
		h := instant{
			kind: harm, pause: time.Duration(random.Int64N(int64(time.Second))),
			folder: []string{"", "", "versions", "log"}[random.IntN(4)],
		}
		h.after = time.Duration(random.Float64() * 1.1 * float64(usual))
		if h.folder != "" {
			h.after = time.Duration(random.Int64N(int64(8 * time.Millisecond)))
		}
		killed, err := p.harm(h, f)
		if !killed && harm == 9 {
			usual = (3*usual + time.Since(p.begun)) / 4
		}
		f.note(p, killed, err)
	}
}

// instant is when and how a process is harmed: after some time, or after it
// has written its manifest (versions) or its entry (log).
type instant struct {
	kind         int
	folder       string
	after, pause time.Duration
}

// await waits for the instant; false if the process has ended before, with err.
func (p *process) await(h instant, f *fight) (ok bool, err error) {
	known := map[string]bool{}
	folder := filepath.Join(f.store, string(items), h.folder)
	for deadline := time.Now().Add(10 * time.Second); h.folder != "" && !p.wrote(folder, known) && time.Now().Before(deadline); {
		select {
		case err := <-p.done:
			return false, err
		case <-time.After(200 * time.Microsecond):
		}
	}
	select {
	case err := <-p.done:
		return false, err
	case <-time.After(h.after):
		return true, nil
	}
}

// wrote says whether a new file of folder is of this process.
func (p *process) wrote(folder string, known map[string]bool) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false // not there yet
	}
	first := len(known) == 0
	for _, e := range entries {
		if known[e.Name()] {
			continue
		}
		known[e.Name()] = true
		if first {
			continue // of the others
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err == nil && bytes.Contains(data, []byte(`"`+p.name+`"`)) {
			return true
		}
	}
	return false
}

// harm kills or stops the process at an instant, unless it has ended before.
func (p *process) harm(h instant, f *fight) (killed bool, err error) {
	if h.kind >= 8 {
		return false, <-p.done
	}
	if ok, err := p.await(h, f); !ok {
		return false, err // it was faster
	}
	f.mu.Lock()
	f.harmed++
	if n := f.harmed; n%50 == 0 {
		f.Log("%d of %d harmed", n, f.Runs)
	}
	f.mu.Unlock()
	if h.kind < 4 { // stopped for long; others go on
		_ = p.cmd.Process.Signal(syscall.SIGSTOP) // may have ended
		select {
		case err := <-p.done:
			return false, err
		case <-time.After(h.pause):
		}
		if h.kind > 0 {
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
	version := p.version()
	switch {
	case version != "": // it was told, whatever came then
		f.acked[p.name] = version
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
