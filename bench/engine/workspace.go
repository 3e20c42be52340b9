package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/holdfast-data/holdfast/bench/data"
	"github.com/holdfast-data/holdfast/bench/neutral"
)

// workspace is the folder of one dataset:
//
//	options.json       what a phase must know
//	base.bin           the records of the first version
//	changes-NN.bin     the changes of the standard chain; chain.txt lists them
//	keys.bin           keys in random order, eight bytes each
//	own/ java/         the standard chain's blobs, by our producer and Hollow's
//	aged/ tail/        the blobs of a long chain, and of a standard one after it
type workspace struct {
	path    string
	options phaseOptions
	kind    *data.Kind
	source  data.Source // of the phases that make data: others weigh their memory
}

// phaseOptions are the options that phases need.
type phaseOptions struct {
	Data   string `json:"data"`
	Seed   uint64 `json:"seed"`
	Cities string `json:"cities"`
	Cycles int    `json:"cycles"`
}

func createWorkspace(o options) (workspace, error) {
	w := workspace{path: filepath.Join(o.out, o.data)}
	if err := os.MkdirAll(w.path, 0o755); err != nil {
		return w, err
	}
	b, err := json.Marshal(phaseOptions{Data: o.data, Seed: o.seed, Cities: o.cities, Cycles: o.cycles})
	if err != nil {
		return w, err
	}
	if err := os.WriteFile(w.file("options.json"), b, 0o644); err != nil {
		return w, err
	}
	return openWorkspace(w.path)
}

func openWorkspace(path string) (workspace, error) {
	w := workspace{path: path}
	b, err := os.ReadFile(w.file("options.json"))
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(b, &w.options); err != nil {
		return w, err
	}
	if w.editions() {
		w.kind, err = editionsKind()
	} else {
		w.kind, err = data.KindNamed(w.options.Data)
	}
	return w, err
}

// openSource makes the source of the data, which the editions have not.
func (w *workspace) openSource() (err error) {
	if !w.editions() {
		_, w.source, err = data.New(w.options.Data, w.options.Seed, w.options.Cities)
	}
	return err
}

// editions says whether the data are the demo's, which are made otherwise.
func (w workspace) editions() bool { return w.options.Data == featuregateName }

func (w workspace) file(name string) string { return filepath.Join(w.path, name) }

func (w workspace) changesFile(i int) string { return w.file(fmt.Sprintf("changes-%02d.bin", i)) }

// base reads the records of the first version.
func (w workspace) base() (*neutral.File, *data.Kind, error) {
	f, err := neutral.Open(w.file("base.bin"), neutral.Base)
	return f, w.kind, err
}

// changes reads the changes of a cycle of the standard chain.
func (w workspace) changes(i int) ([][]byte, error) {
	f, err := neutral.Open(w.changesFile(i), neutral.Changes)
	if err != nil {
		return nil, err
	}
	var frames [][]byte
	for frame := range f.Frames() {
		frames = append(frames, frame)
	}
	return frames, nil
}

// numKeys is a power of two.
const numKeys = 1 << 20

func (w workspace) writeKeys() error {
	r := rand.New(rand.NewPCG(w.options.Seed, 11))
	b := make([]byte, 0, 8*numKeys)
	for range numKeys {
		b = binary.LittleEndian.AppendUint64(b, uint64(w.source.ID(r.IntN(w.source.Len()))))
	}
	return os.WriteFile(w.file("keys.bin"), b, 0o644)
}

func (w workspace) keys() ([]int64, error) {
	b, err := os.ReadFile(w.file("keys.bin"))
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(b)/8)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out, nil
}
