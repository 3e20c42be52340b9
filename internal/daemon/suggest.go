package daemon

import (
	"fmt"
	"reflect"
	"strings"
)

// suggest returns what an unknown key was probably meant to be, in words: the
// same key elsewhere, else the nearest of its own mapping.
func suggest(root, in reflect.Type, path, key string) string {
	for _, known := range leaves(root, "") {
		if known == join(path, key) {
			continue
		}
		if known == key || strings.HasSuffix(known, "."+key) {
			return fmt.Sprintf(": did you mean %q?", known)
		}
	}
	if best := Nearest(key, keysOf(in)); best != "" {
		return fmt.Sprintf(": did you mean %q?", join(path, best))
	}
	return fmt.Sprintf(": known are %s", strings.Join(keysOf(in), ", "))
}

// Nearest returns the one of known, which are in lower case, that text was
// probably meant to be; nothing if it is far from all of them.
func Nearest(text string, known []string) string {
	best, least := "", 0
	for _, x := range known {
		d := distance(strings.ToLower(text), x)
		if best == "" || d < least {
			best, least = x, d
		}
	}
	if least > len(text)/2+1 {
		return ""
	}
	return best
}

// distance returns how many insertions, removals, replacements and swaps of
// neighbours lead from a to b.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
