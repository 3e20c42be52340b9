package blob

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// reserveFile holds space back in a directory store, so that a file system
	// that is full takes the log entry that a prune begins with, and that of an unpin
	// before it. It is no key.
	reserveFile = ".holdfast-reserve"
	// reserveSize is more than several entries of a prune have.
	reserveSize = 256 << 10
	// reserveLeast is what LendReserve leaves: one entry of a prune.
	reserveLeast = 64 << 10
)

// IsFull says whether an error is about a file system, or a quota, that has no
// space left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// KeepReserve holds back the space that SpendReserve gives, if it does not yet.
// Errors are those of the file system; there may be no space for it.
func (d *Dir) KeepReserve() error {
	path := filepath.Join(d.root, reserveFile)
	if info, err := os.Stat(path); err == nil && info.Size() >= reserveSize {
		return nil
	}
	b := make([]byte, reserveSize)
	_, _ = rand.Read(b) // never fails; zeros might take no space
	temp, err := d.writeTemp(b)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // is there after a failure only
	return plain(os.Rename(temp, path))
}

// LendReserve gives a half of the space back that is held in reserve, for an entry of
// the log after which a prune needs the rest; all of it, if another user made the file;
// false if there is little left.
func (d *Dir) LendReserve() bool {
	path := filepath.Join(d.root, reserveFile)
	info, err := os.Stat(path)
	if err != nil || info.Size()/2 < reserveLeast {
		return false
	}
	if err := os.Chmod(path, 0o600); err != nil { // it is written once, as blobs are
		return d.SpendReserve()
	}
	return os.Truncate(path, info.Size()/2) == nil
}

// SpendReserve gives the space back that is held in reserve; false if there is
// none.
func (d *Dir) SpendReserve() bool { return os.Remove(filepath.Join(d.root, reserveFile)) == nil }
