package announce

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// differ says in words how the fold of an entry differs from the reader's: the
// members, as they are in JSON, with both values.
func (f Fold) differ(want Fold) string {
	var words []string
	got, own := reflect.ValueOf(f), reflect.ValueOf(want)
	for i := range got.NumField() {
		a, b := got.Field(i).Interface(), own.Field(i).Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		name, _, _ := strings.Cut(got.Type().Field(i).Tag.Get("json"), ",")
		words = append(words, fmt.Sprintf("%s is %s, not %s", name, inWords(a), inWords(b)))
	}
	return strings.Join(words, "; ")
}

// maxWords bounds what an error shows of a value, in bytes.
const maxWords = 300

// inWords returns a value as our files have it, cut if it is long.
func inWords(v any) string {
	b, err := json.Marshal(v)
	text := string(b)
	switch {
	case err != nil:
		return err.Error()
	case reflect.ValueOf(v).IsZero() && text == "null", text == `""`:
		return "absent"
	case len(text) > maxWords:
		return strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
