package shadow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrTooLarge says that a report cannot be kept.
var ErrTooLarge = errors.New("the report is too large to be kept: ask for fewer --examples")

// maxReport is how many bytes a report may have: Badger takes no value above 64 MiB.
const maxReport = 60 << 20

// seal returns the bytes to keep of a report: its JSON, and a line with its digest.
// Badger reads values above 1 MiB without a checksum of its own.
func seal(r *compare.Report) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(b) > maxReport {
		return nil, fmt.Errorf("%w: %d bytes, of at most %d", ErrTooLarge, len(b), maxReport)
	}
	return fmt.Appendf(b, "\n%s", dataset.DigestOf(b)), nil
}

// errNotWritten says that kept bytes are not those that were written.
var errNotWritten = errors.New("it is not what was written")

// unseal is the inverse of seal. Reports of before have no digest.
func unseal(b []byte) (*compare.Report, error) {
	text, digest, sealed := bytes.Cut(b, []byte("\n"))
	if sealed && dataset.DigestOf(text).String() != string(digest) {
		return nil, errNotWritten
	}
	r := new(compare.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotWritten, err)
	}
	return r, nil
}
