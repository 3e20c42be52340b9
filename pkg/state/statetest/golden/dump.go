package golden

import "regexp"

// decimal matches the end of a FLOAT or DOUBLE value whose decimal text is
// given. A record's own members are preceded by "fields", never by a field
// name and these two members alone.
var decimal = regexp.MustCompile(`(":\{"bits":"[0-9a-f]+"),"dec":"[^"\\]*"\}`)

// WithoutDecimals returns the dump without the informative decimal texts of
// FLOAT and DOUBLE values, which are Java's and which our dumps leave out.
func WithoutDecimals(dump []byte) []byte {
	return decimal.ReplaceAll(dump, []byte("$1}"))
}
