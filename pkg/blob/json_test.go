package blob_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestMembersAreExact refuses a member that is there twice, or whose name has
// letters of another case, at every depth; keys of maps are free, but not twice.
func TestMembersAreExact(t *testing.T) {
	type inner struct {
		Key string `json:"key"`
	}
	type file struct {
		Format int               `json:"format"`
		Kind   string            `json:"kind"`
		One    *inner            `json:"one"`
		Many   []inner           `json:"many"`
		Counts map[string]inner  `json:"counts"`
		Names  map[string]string `json:"names"`
		When   time.Time         `json:"when"`
	}
	for text, want := range map[string]string{
		`"kind":"a"`:                                       "",
		`"kind":"a","kind":"b"`:                            `member "kind" is there twice`,
		`"kind":"a","kind":"a"`:                            `member "kind" is there twice`,
		`"kind":"a","Kind":"b"`:                            `member "Kind" is not written "kind"`,
		`"Kind":"a"`:                                       `member "Kind" is not written "kind"`,
		`"\u212aind":"a"`:                                  `member "\u212aind" is not written "kind"`,
		`"format":1`:                                       `member "format" is there twice`,
		`"one":{"key":"a"}`:                                "",
		`"one":null,"many":null`:                           "",
		`"one":{"key":"a","key":"b"}`:                      `member "key" is there twice`,
		`"one":{"KEY":"a"}`:                                `member "KEY" is not written "key"`,
		`"many":[{"key":"a"},{"key":"b"}]`:                 "",
		`"many":[{},{"key":"a","key":"b"}]`:                `member "key" is there twice`,
		`"counts":{"A":{"key":"x"},"a":{"key":"x"}}`:       "",
		`"counts":{"a":{},"a":{}}`:                         `member "a" is there twice`,
		`"counts":{"a":{"Key":"x"}}`:                       `member "Key" is not written "key"`,
		`"names":{"x":"1","X":"2"}`:                        "",
		`"names":{"x":"1","x":"2"}`:                        `member "x" is there twice`,
		`"names":{"x":"1","\u0078":"2"}`:                   `member "x" is there twice`,
		`"when":"2026-01-02T03:04:05Z","names":{"n":"1"}`:  "",
		`"names":{"` + strings.Repeat("n", 200) + `":"1"}`: "",
	} {
		var f file
		err := blob.DecodeJSON([]byte(`{"format":1,`+text+"}\n"), &f)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.Is(err, blob.ErrMalformed) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want ErrMalformed, %s", text, err, want)
		}
	}
}

func BenchmarkDecodeManifest(b *testing.B) {
	text, err := sampleManifest().Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := blob.DecodeManifest(text); err != nil {
			b.Fatal(err)
		}
	}
}
