package main

import (
	"context"
	"io"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// compile reads the .proto that declares a dataset's records, and what it
// imports: regular files only.
func compile(ctx context.Context, file string) (*protomap.Mapping, error) {
	return protomap.Compile(ctx, file, func(path string) ([]byte, error) {
		f, _, err := blob.OpenFile(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, protomap.MaxSource+1)) // more of it is refused
	})
}
