package dataset

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Lineage says where a version came from. A version made from a source has
// Positions; one made by a logic has an Evaluation.
type Lineage struct {
	// Producer is the configured name of who made the version.
	Producer string `json:"producer,omitempty"`
	// Positions are source positions contained in the version, by source.
	Positions map[string]string `json:"positions,omitempty"`
	// Evaluation is set on versions that a logic made.
	Evaluation *Evaluation `json:"evaluation,omitempty"`
}

// Evaluation records one run of a logic completely enough to run it again on
// exactly the same data.
type Evaluation struct {
	// Logic is the declared name of the logic.
	Logic string `json:"logic"`
	// Build names the logic's code: declared, else the executable's SHA-256.
	Build string `json:"build"`
	// Platform is GOOS/GOARCH of the run.
	Platform string `json:"platform"`
	// Inputs are the input versions, sorted by dataset.
	Inputs []Input `json:"inputs"`
	// Clock is the only time that the logic was shown.
	Clock time.Time `json:"clock"`
	// Seed is the only randomness that the logic was given.
	Seed Seed `json:"seed"`
	// Output is the version that holds the result; the one before if the
	// result did not change. It is None inside the manifest of the version
	// that the evaluation made, which cannot name itself.
	Output Version `json:"output,omitzero"`
}

// Input is one input version of an evaluation.
type Input struct {
	Dataset Name    `json:"dataset"`
	Version Version `json:"version"`
	// Checksum is the content checksum of the version.
	Checksum Digest `json:"checksum"`
}

// Seed is a source of reproducible randomness. In JSON it is a string of 16
// hexadecimal digits.
type Seed uint64

// MarshalJSON returns the text form.
func (s Seed) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprintf("%016x", uint64(s))) }

// UnmarshalJSON reads the text form.
func (s *Seed) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("read seed: %w", err)
	}
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("seed %.30q is not 16 hexadecimal digits", text)
	}
	*s = Seed(n)
	return nil
}

// Transition names a step between two versions of a chain; To < From is a
// reverse delta, From None a snapshot.
type Transition struct{ From, To Version }
