package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestRunStops sends SIGTERM to a sidecar under load: calls under way end as they
// began, later ones find nobody, and it ends well.
func TestRunStops(t *testing.T) {
	const records, callers, before = 20_000, 4, 200
	dir := t.TempDir()
	store, socket := filepath.Join(dir, "store"), filepath.Join(dir, "s")
	var lines strings.Builder
	for i := range records { // more than the windows of a stream hold
		fmt.Fprintf(&lines, `{"id":"%0100d","v":%d}`+"\n", i, i)
	}
	schema, file := write(t, filepath.Join(dir, "item.proto"), itemSchema), write(t, filepath.Join(dir, "items"), lines.String())
	if _, err := process(t, "publish", "--store", store, "--schema", schema, "items", file); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "holdfast", "run", "--store", store, "--listen", "", "--admin", "", "--socket", socket)
	var errs strings.Builder
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lookup := holdfastv1.NewLookupClient(conn)
	for { // until it listens and has loaded
		_, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "items", Key: []string{fmt.Sprintf("%0100d", 0)}})
		if err == nil {
			break
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.NotFound {
			t.Fatal(err)
		}
	}
	list, err := lookup.List(t.Context(), &holdfastv1.ListRequest{Dataset: "items"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Recv(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var answered atomic.Int64
	enough := make(chan struct{})
	for k := range callers {
		all.Go(func() {
			for i := k; ; i++ {
				r, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "items", Key: []string{fmt.Sprintf("%0100d", i%records)}})
				if err != nil {
					if status.Code(err) != codes.Unavailable {
						t.Errorf("a call that it did not take: %v", err)
					}
					return
				}
				if len(r.GetRecord().GetMessage()) < 100 {
					t.Errorf("record %d: %v", i, r)
				}
				if answered.Add(1) == before {
					close(enough)
				}
			}
		})
	}
	<-enough
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	n := 1
	for ; ; n++ {
		if _, err := list.Recv(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("a list under way, after %d records: %v", n, err)
		}
	}
	if n != records {
		t.Errorf("a list under way gave %d records", n)
	}
	if err := c.Wait(); err != nil || strings.Contains(errs.String(), "dropped") {
		t.Errorf("it ended with %v: %s", err, &errs)
	}
}
