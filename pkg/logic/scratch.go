package logic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// scratchPrefix begins the names of the folders of Scratch, scratchLock is the
// file in each that its process has locked.
const scratchPrefix, scratchLock = "holdfast-", ".holdfast-scratch"

// Scratch makes a folder for temporary files, of the own user alone, and returns
// what removes it. A process that is killed cannot: the next Scratch of the same
// user removes what processes have left that are no more, on whatever side of a
// container they were, because what tells is a lock on a file, and that ends
// with its process.
func Scratch() (dir string, remove func() error, err error) {
	sweep(os.TempDir())
	if dir, err = os.MkdirTemp("", scratchPrefix); err != nil {
		return "", nil, fmt.Errorf("make temporary folder: %w", err)
	}
	lock, err := lockScratch(dir)
	if err != nil {
		return "", nil, fmt.Errorf("make temporary folder: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}

// lockScratch makes the lock of a folder. It gets its name when it is locked, so
// that nobody finds it unlocked while its process lives.
func lockScratch(dir string) (*os.File, error) {
	name := filepath.Join(dir, scratchLock)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		_ = f.Close() // nothing is in it
		return nil, err
	}
	return f, nil
}

// sweep removes the folders in parent that processes have left. What cannot be
// removed stays: it disturbs nobody.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), scratchPrefix) {
			sweepOne(filepath.Join(parent, e.Name()))
		}
	}
}

// sweepOne removes a folder if it is one of Scratch, of this user, and nobody
// has it locked.
func sweepOne(dir string) {
	info, err := os.Lstat(dir)
	if err != nil {
		return
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(dir) // or the next one does
	}
}
