package dataset

import "fmt"

// maxNameLength is the greatest length of a Name, in bytes.
const maxNameLength = 63

// Name names a dataset: a lower-case letter, then at most 62 lower-case
// letters, digits and underscores. It is safe as a folder, a protobuf package
// and a metric label. The zero Name is not valid.
type Name string

// ParseName checks s and returns it as a Name.
func ParseName(s string) (Name, error) {
	if s == "" {
		return "", fmt.Errorf("dataset name is empty: use [a-z][a-z0-9_]{0,62}")
	}
	if len(s) > maxNameLength {
		return "", fmt.Errorf("dataset name %.20q… has %d bytes: at most %d are allowed", s, len(s), maxNameLength)
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z'
		if letter || (i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			continue
		}
		return "", fmt.Errorf("dataset name %q is not allowed: use [a-z][a-z0-9_]{0,62}", s)
	}
	return Name(s), nil
}
