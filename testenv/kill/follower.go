package kill

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"time"
)

var adminAddress = regexp.MustCompile(`admin on (http://\S+)`)

// follow starts a sidecar again and again until ctx ends, and asks it.
func (f *fight) follow(ctx context.Context) {
	random := rand.New(rand.NewPCG(f.Seed, 1<<32))
	for ctx.Err() == nil {
		life, cancel := context.WithTimeout(ctx, time.Second+time.Duration(random.Int64N(int64(4*time.Second))))
		err := f.serve(life)
		cancel()
		if err != nil {
			f.say("follower: %v", err)
			return
		}
	}
}

// serve runs one sidecar until ctx ends, and then kills it. That is no error,
// however far it had come: on a busy machine it may not have begun. A sidecar
// that ends by itself is one.
func (f *fight) serve(ctx context.Context) error {
	cmd := f.command(ctx, "run", "--store", f.Store, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--poll", "10ms")
	errs, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	f.mu.Lock()
	f.report.Followers++
	f.mu.Unlock()
	f.ask(ctx, bufio.NewReader(errs))
	_ = cmd.Wait() // says that it was killed
	if cmd.ProcessState.Exited() {
		return fmt.Errorf("a sidecar ended though nobody killed it: %s", cmd.ProcessState)
	}
	return nil
}

// ask asks a sidecar who published what it serves, as fast as it answers, until
// ctx ends.
func (f *fight) ask(ctx context.Context, errs *bufio.Reader) {
	admin := ""
	for admin == "" {
		line, err := errs.ReadString('\n')
		if m := adminAddress.FindStringSubmatch(line); m != nil {
			admin = m[1]
		} else if err != nil {
			return // it ended before it said anything
		}
	}
	go func() { _, _ = io.Copy(io.Discard, errs) }() // ends with the process
	last := ""
	for ctx.Err() == nil {
		version, by, err := look(ctx, admin+"/datasets/items/record?key=op")
		if err != nil || version == "" {
			select { // not ready yet, or at its end
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		f.saw(version, by, last)
		last = version
	}
}

func look(ctx context.Context, url string) (version, by string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", "", nil
	}
	var record struct{ By string }
	err = json.NewDecoder(answer.Body).Decode(&record)
	return answer.Header.Get("Holdfast-Version"), record.By, err
}

func (f *fight) saw(version, by, last string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Looks++
	if before, ok := f.seen[version]; ok && before != by {
		f.problem = append(f.problem, "version "+version+" was served as of "+before+" and as of "+by)
	}
	if version < last {
		f.problem = append(f.problem, "a follower went back from "+last+" to "+version)
	}
	f.seen[version] = by
}
