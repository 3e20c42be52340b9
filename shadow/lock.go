package shadow

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// ErrInUse says that a folder is another shadow's.
var ErrInUse = errors.New("another shadow uses it: wait until that has ended, or give each a folder of its own (shadow ls and show work beside it)")

// Lock takes a folder, which is made if need be, for one shadow, until the lock is
// closed or the process ends: two would make versions of one candidate's output, and
// be in each other's way. Who only looks at the kept runs needs no lock.
func Lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("use folder: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("use folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("use folder %s: %w", dir, err), f.Close())
	}
	return f, nil
}
