package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// keyIndex is the name of the key index that every measured state carries.
const keyIndex = "key"

// version is a line of a folder's versions.txt: what its delta changes, in
// parts per million, 0 for the first.
type version struct {
	id  int64
	ppm int
}

// folder holds a snapshot and the deltas that follow it, by Hollow's names.
type folder struct {
	path     string
	versions []version
}

func openFolder(path string) (*folder, error) {
	text, err := os.ReadFile(filepath.Join(path, "versions.txt"))
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	f := &folder{path: path}
	in := bytes.NewReader(text)
	for {
		var v version
		if n, _ := fmt.Fscan(in, &v.id, &v.ppm); n != 2 {
			return f, nil
		}
		f.versions = append(f.versions, v)
	}
}

func createFolder(path string) (*folder, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	return &folder{path: path}, os.MkdirAll(path, 0o755)
}

func (f *folder) file(format string, args ...any) string {
	return filepath.Join(f.path, fmt.Sprintf(format, args...))
}

// addSnapshot writes the first version.
func (f *folder) addSnapshot(s *state.State) error {
	f.versions = append(f.versions, version{s.Header().Tag, 0})
	return writeSnapshot(f.file("snapshot-%d", s.Header().Tag), s)
}

func writeSnapshot(path string, s *state.State) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := (state.Transition{Next: s}).WriteSnapshot(out); err != nil {
		return err
	}
	return out.Close()
}

// addDelta writes the next version.
func (f *folder) addDelta(id int64, ppm int, delta []byte) error {
	last := f.versions[len(f.versions)-1].id
	f.versions = append(f.versions, version{id, ppm})
	return os.WriteFile(f.file("delta-%d-%d", last, id), delta, 0o644)
}

// finish writes versions.txt.
func (f *folder) finish() error {
	var text []byte
	for _, v := range f.versions {
		text = fmt.Appendf(text, "%d %d\n", v.id, v.ppm)
	}
	return os.WriteFile(f.file("versions.txt"), text, 0o644)
}

// load reads the first version, with its key index.
func (f *folder) load(root string) (*state.State, error) {
	in, err := os.Open(f.file("snapshot-%d", f.versions[0].id))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	s, err := readSnapshot(in, info.Size())
	if err != nil {
		return nil, err
	}
	return withKeys(s, root)
}

// readSnapshot reads a snapshot as a replica does that has it in a file.
func readSnapshot(in *os.File, size int64) (*state.State, error) {
	data, unmap, ok := blob.MapFile(in, size)
	if !ok {
		return state.ReadSnapshotFrom(in, size, nil)
	}
	defer unmap()
	return state.ReadSnapshotMapped(data, nil)
}

func withKeys(s *state.State, root string) (*state.State, error) {
	x, err := index.NewUnique(s, root, nil)
	if err != nil {
		return nil, err
	}
	return s.WithIndex(keyIndex, x), nil
}

func keys(s *state.State) *index.Unique { return s.Index(keyIndex).(*index.Unique) }

// apply reads the delta to the i'th version and applies it.
func (f *folder) apply(s *state.State, i int) (*state.State, error) {
	b, err := os.ReadFile(f.file("delta-%d-%d", f.versions[i-1].id, f.versions[i].id))
	if err != nil {
		return nil, err
	}
	return s.Apply(b)
}

// applyTo applies deltas up to the i'th version.
func (f *folder) applyTo(s *state.State, i int) (*state.State, error) {
	var err error
	for k := 1; k <= i && err == nil; k++ {
		s, err = f.apply(s, k)
	}
	return s, err
}

// first returns the first version whose delta has that rate, or the last one if
// there is none.
func (f *folder) first(ppm int) int {
	for i, v := range f.versions {
		if v.ppm == ppm {
			return i
		}
	}
	return len(f.versions) - 1
}
