package golden

import "github.com/holdfast-data/holdfast/pkg/dataset"

// Index is a case's index.json: what there is and what to check.
type Index struct {
	Case        string          `json:"case"`
	Description string          `json:"description"`
	Notes       []string        `json:"notes"`
	Versions    []Version       `json:"versions"` // those of the chain, ascending
	Announced   dataset.Version `json:"announced"`
	Blobs       []Blob          `json:"blobs"`
	Checks      []Check         `json:"checks"`
	// Lookups is the file of look-up questions and answers, "" if none.
	Lookups string `json:"lookups"`
	// Mutated says that blobs were edited after writing: a reader must accept
	// them, a writer is not expected to produce them.
	Mutated bool `json:"mutated"`
}

// Version is one version of a case and the file with its schema text.
type Version struct {
	Version dataset.Version `json:"version"`
	Schema  string          `json:"schema"`
	Note    string          `json:"note"`
}

// Blob is one blob file and its size in bytes.
type Blob struct {
	File  string `json:"file"`
	Bytes int    `json:"bytes"`
}

// Check is one path to a state: read the snapshot Load[0], apply the deltas
// and reverse deltas after it in order, and the state must equal the dump in
// the file Expected.
type Check struct {
	ID      string          `json:"id"`
	Version dataset.Version `json:"version"`
	Load    []string        `json:"load"`
	// Parts names the optional parts loaded along with every file; nil means
	// none.
	Parts []string `json:"parts"`
	// Filter is the consumer's filter, "" for none.
	Filter string `json:"filter"`
	// Checksum is Hollow's checksum of the state in lower-case hex without
	// leading zeros, "" if the case does not state it.
	Checksum string `json:"checksum"`
	// Expected names the file with the dump of the state; several checks share
	// one. Case.Expected reads it.
	Expected string `json:"expected"`
}
