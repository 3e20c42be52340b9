package blob

import (
	"os"
	"syscall"
)

// MapFile returns the first size bytes of a file, without a copy, if the system can. They
// may be read until unmap is called, once, whatever becomes of f. Whoever cuts the file
// meanwhile makes reads fail as no Go program expects it, with a fault:
// state.ReadSnapshotMapped is prepared for it.
func MapFile(f *os.File, size int64) (data []byte, unmap func(), ok bool) {
	c, err := f.SyscallConn()
	if err != nil || size <= 0 || int64(int(size)) != size {
		return nil, nil, false
	}
	failed := c.Control(func(fd uintptr) {
		data, err = syscall.Mmap(int(fd), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	})
	if failed != nil || err != nil {
		return nil, nil, false
	}
	return data, func() { _ = syscall.Munmap(data) }, true
}
