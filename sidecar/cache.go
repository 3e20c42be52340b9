package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrCacheInUse says that another sidecar has the cache: each would remove files
// that the other one counts on.
var ErrCacheInUse = errors.New("another sidecar uses this cache: give each one a folder of its own")

// openCache opens the cache of the configuration, if there is one, and locks it
// before anything in it is removed. The lock ends with the process at the latest.
func (s *Sidecar) openCache() error {
	dir := s.cfg.Cache.Dir
	if dir == "" {
		return nil
	}
	err := s.lockCache(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there is nothing to remove either
	}
	if err == nil {
		s.cache, err = replica.OpenCache(dir, s.cfg.Cache.MaxBytes)
	}
	if err == nil && s.cacheLock == nil {
		err = s.lockCache(dir)
	}
	if err != nil {
		s.unlockCache()
	}
	return err
}

// lockCache locks the folder of the cache. Where the file system has no locks, it
// is used without.
func (s *Sidecar) lockCache(dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0) // else a pipe would wait
	if errors.Is(err, syscall.ENOTDIR) {
		return nil // OpenCache says what it is
	}
	if err != nil {
		return fmt.Errorf("lock cache: %w", err)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return fmt.Errorf("lock cache %s: %w", dir, ErrCacheInUse)
	case err != nil:
		s.log.Warn("the cache cannot be locked: nothing keeps another sidecar out of it", "dir", dir, "error", err)
	}
	s.cacheLock = f
	return nil
}

func (s *Sidecar) unlockCache() {
	if s.cacheLock != nil {
		s.cacheLock.Close()
	}
}
