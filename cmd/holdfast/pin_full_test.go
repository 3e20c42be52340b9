package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestUnpinFull takes a pin back in a file system that has no byte left, because
// nothing can be pruned before. It needs the right to mount one.
func TestUnpinFull(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("cannot mount a small file system:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	store, dir := filepath.Join(root, "store"), t.TempDir()
	schema, source := filepath.Join(dir, "n.proto"), filepath.Join(dir, "n.jsonl")
	write(t, schema, `syntax = "proto3"; import "holdfast/v1/options.proto";
		message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`)
	hold := func(args ...string) error {
		_, err := command(t, append(args, "--store", store)...)
		return err
	}
	publish := func(v int) error {
		write(t, source, fmt.Sprintf(`{"id":"x","v":%d}`, v))
		return hold("publish", "--schema", schema, "n", source)
	}
	for v := range 4 {
		if err := publish(v); err != nil {
			t.Fatal(err)
		}
	}
	s, err := blob.OpenDir(store)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := announce.Open(s, "n").Last(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	first := "n@" + entries[0].Entry.Body.(announce.Announcement).Version.String()
	last := "n@" + entries[3].Entry.Body.(announce.Announcement).Version.String()
	prune := []string{"prune", "n", "--keep", "1", "--keep-for", "0s"}
	if err := errors.Join(hold("pin", first, "--reason", "test"), hold(prune...)); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(root, "filler"))
	if err := hold("pin", last, "--reason", "test"); !blob.IsFull(err) || !strings.Contains(err.Error(), "file system is full") {
		t.Fatalf("the file system is not full: pin = %v", err)
	}
	if err := errors.Join(hold("unpin", "n", "--reason", "test"), hold("pin", first, "--reason", "test")); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(root, "filler")) // with what was lent, too: prune has the rest
	if err := errors.Join(hold("unpin", "n", "--reason", "test"), hold(prune...)); err != nil {
		t.Fatal(err)
	}
	if err := hold("get", first, "x"); err == nil {
		t.Errorf("%s was not pruned", first)
	}
	if err := os.Remove(filepath.Join(root, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := publish(5); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(store, ".holdfast-reserve")); err != nil || info.Size() != 256<<10 {
		t.Errorf("the reserve was not kept again: %v, %v", info, err)
	}
}

// fill writes to a file until its file system is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if closed := f.Close(); closed != nil || !blob.IsFull(err) {
		t.Fatal(closed, err)
	}
}
