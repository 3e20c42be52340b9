package blob

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// BlobKey returns the key of a blob that was published with version v.
func BlobKey(n dataset.Name, v dataset.Version, d dataset.Digest) string {
	return fmt.Sprintf("%s/blobs/%s-%s", n, v, d)
}

// ManifestKey returns the key of the manifest of version v.
func ManifestKey(n dataset.Name, v dataset.Version, d dataset.Digest) string {
	return fmt.Sprintf("%s/versions/%s-%s.json", n, v, d)
}

// SchemaKey returns the key of a declared schema.
func SchemaKey(n dataset.Name, d dataset.Digest) string {
	return fmt.Sprintf("%s/schemas/%s", n, d)
}

// LogKey returns the key of the entry at position pos of the announcement log.
func LogKey(n dataset.Name, pos int64) string {
	return fmt.Sprintf("%s/log/%020d.json", n, pos)
}

// IsLogKey says whether key is that of a log entry.
func IsLogKey(n dataset.Name, key string) bool {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(key, ".json"), string(n)+"/log/")
	pos, err := strconv.ParseInt(digits, 10, 64)
	return ok && err == nil && pos >= 0 && key == LogKey(n, pos)
}

// maxKeyLength is the greatest length of a key, in bytes.
const maxKeyLength = 1024

// CheckKey returns ErrBadKey unless key is allowed.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKeyLength {
		return fmt.Errorf("%w %.40q: use 1 to %d bytes", ErrBadKey, key, maxKeyLength)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' || strings.ContainsAny(segment, "\\\x00") {
			return fmt.Errorf("%w %.200q: segment %.40q is not allowed", ErrBadKey, key, segment)
		}
	}
	return nil
}

// CheckPrefix returns ErrBadKey unless prefix is empty or the beginning of an
// allowed key.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(strings.TrimSuffix(prefix, "/"))
}
