package dataset

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Version orders the states of one dataset. Versions we make are 17 decimal
// digits (UTC yyyyMMddHHmmss and a counter of three digits), so that they sort
// as text too; to everyone but the producer they are opaque. The zero Version
// means "none". In JSON a Version is a string, because it exceeds 2^53.
type Version int64

// None is the absence of a version.
const None Version = 0

// ParseVersion reads a positive decimal number.
func ParseVersion(s string) (Version, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || s[0] == '+' || s[0] == '0' {
		return None, fmt.Errorf("version %.30q is not a positive decimal number such as 20260102150405000", s)
	}
	return Version(n), nil
}

// NextVersion returns the version to publish at the time now on top of head:
// the greater of now's first version and head+1, so that versions grow even
// when the clock does not. It is head itself if that is the greatest that there is.
func NextVersion(head Version, now time.Time) Version {
	n, err := strconv.ParseInt(now.UTC().Format("20060102150405")+"000", 10, 64)
	if err != nil {
		n = 0 // a year of five digits; head+1 still grows
	}
	if head < math.MaxInt64 {
		head++
	}
	return max(Version(n), head)
}

// String returns the decimal form, as file names and JSON use it.
func (v Version) String() string { return strconv.FormatInt(int64(v), 10) }

// MarshalText makes a Version a string in JSON; None is the empty string.
func (v Version) MarshalText() ([]byte, error) {
	if v == None {
		return nil, nil
	}
	return strconv.AppendInt(nil, int64(v), 10), nil
}

// UnmarshalText is the inverse of MarshalText.
func (v *Version) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = None
		return nil
	}
	n, err := ParseVersion(string(b))
	*v = n
	return err
}
