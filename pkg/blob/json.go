package blob

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// Errors of the JSON files of a store.
var (
	// ErrFormat says that a file has a format that this program does not
	// read; a newer one may.
	ErrFormat = errors.New("unknown format")
	// ErrMalformed says that a file is not what its format says: not JSON,
	// an unknown field, an impossible value.
	ErrMalformed = errors.New("malformed file")
)

// fileFormat is the format of all JSON files of a store.
const fileFormat = 1

// DecodeJSON reads one of the store's JSON files into v: the member "format"
// must be 1 (else ErrFormat), every other member must be known, exactly so
// written and there once, and nothing may follow (else ErrMalformed).
func DecodeJSON(b []byte, v any) error {
	var head struct{ Format *int }
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if head.Format == nil {
		return fmt.Errorf("%w: member format is missing", ErrMalformed)
	}
	if *head.Format != fileFormat {
		return fmt.Errorf("%w %d: this program reads %d", ErrFormat, *head.Format, fileFormat)
	}
	return DecodeStrict(b, v)
}

// DecodeStrict reads exactly one JSON value into v, without members that are
// unknown, there twice, or written in another case; errors are ErrMalformed.
func DecodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the object", ErrMalformed)
	}
	return (&members{text: b}).value(reflect.TypeOf(v))
}
