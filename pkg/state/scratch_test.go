package state_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/scratch"
)

// TestStreamGivesBack holds that reading a snapshot from a stream gives back the
// memory it was read into, whether it succeeds or fails, anywhere.
func TestStreamGivesBack(t *testing.T) {
	blob := engine(t).snapshot
	held := int64(0) // at most
	for i := range 60 {
		data, end := bytes.Clone(blob), len(blob)
		switch i % 3 {
		case 1:
			end = len(data) * i / 60
		case 2:
			data[len(data)*i/60] ^= 0xff
		}
		_, _ = state.ReadSnapshotFrom(&watched{bytes.NewReader(data[:end]), &held}, int64(len(data)), nil)
		if n := scratch.Held(); n != 0 {
			t.Fatalf("case %d: %d bytes are held", i, n)
		}
	}
	if held == 0 && runtime.GOOS == "linux" {
		t.Error("no memory was held at any time")
	}
}

// watched is a reader that notes how much memory is held while it is read.
type watched struct {
	*bytes.Reader
	held *int64
}

func (w *watched) Read(b []byte) (int, error) {
	*w.held = max(*w.held, scratch.Held())
	return w.Reader.Read(b)
}
