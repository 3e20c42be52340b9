// Command kill has processes fight over one prefix of a bucket on a real S3
// server, which it builds and runs, kills and stops them, and says what came of
// it. Its exit code is 0 if nothing was wrong, else 1. It is run in the folder
// testenv/s3.
package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/holdfast-data/holdfast/testenv/kill"
	"github.com/holdfast-data/holdfast/testenv/s3"
)

func main() { kill.Main("../..", bucket) }

// bucket runs a server in dir.
func bucket(ctx context.Context, dir string) (location string, leave func(), err error) {
	binary, err := s3.Build(ctx, dir)
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "server")
	if err := os.Mkdir(data, 0o755); err != nil {
		return "", nil, err
	}
	server, err := s3.Run(binary, data)
	if err != nil {
		return "", nil, err
	}
	address, stop, err := server.Distant()
	if err != nil {
		server.Kill()
		return "", nil, err
	}
	return server.URL("kill", address), func() { stop(); server.Kill() }, nil
}
