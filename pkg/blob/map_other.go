//go:build !linux

package blob

import "os"

// MapFile returns false on this system.
func MapFile(*os.File, int64) (data []byte, unmap func(), ok bool) { return nil, nil, false }
