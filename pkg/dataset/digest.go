package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256. It names immutable bytes, and the content of a state
// (a content checksum). The zero Digest means "none". Its text form is 64
// lower-case hexadecimal digits; none is the empty string.
type Digest [sha256.Size]byte

// DigestOf returns the SHA-256 of b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads the text form.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	err := d.UnmarshalText([]byte(s))
	return d, err
}

// IsZero says whether d is no digest; encoding/json's omitzero uses it.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns the text form.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// MarshalText returns the text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form; upper-case digits are refused, so that a
// digest has one name.
func (d *Digest) UnmarshalText(b []byte) error {
	*d = Digest{}
	if len(b) == 0 {
		return nil
	}
	var got Digest
	if len(b) == hex.EncodedLen(len(got)) { // Decode panics on more
		if _, err := hex.Decode(got[:], b); err == nil && got.String() == string(b) {
			*d = got
			return nil
		}
	}
	return fmt.Errorf("digest %.70q is not 64 lower-case hexadecimal digits", b)
}
