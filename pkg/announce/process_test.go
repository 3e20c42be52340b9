package announce_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

const (
	processStore = "HOLDFAST_TEST_STORE"
	processName  = "HOLDFAST_TEST_NAME"
	processEach  = 10
)

// Processes that fight over one folder make one chain that holds all of what
// each was told is in it.
func TestRaceProcesses(t *testing.T) {
	if root := os.Getenv(processStore); root != "" {
		announceAsProcess(t, root)
		return
	}
	dir := newDir(t)
	const processes = 3
	var all []*exec.Cmd
	for p := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRaceProcesses$")
		cmd.Env = append(os.Environ(), processStore+"="+dir.Root(), processName+"="+strconv.Itoa(p))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	entries := history(t, dir, usage)
	count := make(map[dataset.Digest]int)
	for _, e := range entries {
		count[e.Body.(announce.Announcement).Manifest]++
	}
	if len(entries) != processes*processEach || len(count) != len(entries) {
		t.Errorf("%d entries with %d manifests, want %d", len(entries), len(count), processes*processEach)
	}
}

// announceAsProcess is what each process does.
func announceAsProcess(t *testing.T, root string) {
	dir, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	log := announce.Open(dir, usage)
	for i := range processEach {
		digest := dataset.DigestOf(fmt.Append(nil, os.Getenv(processName), ":", i))
		for {
			f, err := log.Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = log.Announce(t.Context(), who, announce.Announcement{Version: f.Head + 1, Previous: f.Head, Manifest: digest})
			if err == nil {
				break
			}
			if !errors.Is(err, announce.ErrConflict) {
				t.Fatal(err)
			}
		}
	}
}
