package main

import "fmt"

// count says how many there are of what word names: 1 version, 2 versions. The
// word is one that an s makes many of.
func count[N int | int64](n N, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
