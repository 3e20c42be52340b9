package shadow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// A DamagedError names a file of the kept runs that is not what was written, or their
// folder. Nothing was deleted.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged: %v (put back the whole folder from a copy, or move it away: a shadow then makes its runs again)", e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// A NoRoomError says how many bytes are free in a folder of kept runs, and how
// many must be, also to read them. Nothing was changed.
type NoRoomError struct {
	Dir          string
	Free, Needed uint64
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("too little space: %d KiB are free and %d KiB are needed, also to read (make room on the file system of %s)", e.Free>>10, (e.Needed+1023)>>10, e.Dir)
}

// ErrFault says that the file system failed under a mapped file, as a disk does
// that is broken, or a quota that is used up.
var ErrFault = errors.New("the file system failed under a mapped file (look whether the disk is broken or a quota is used up, then start again)")

// guard runs f, which has files mapped, and ends the lock. After a fault it holds
// it for good: goroutines that Badger has begun may still write. On those a fault
// ends the process, which nothing can catch.
func (s *Store) guard(lock *os.File, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
			err = errors.Join(err, lock.Close())
		case interface{ Addr() uintptr }: // as faults have, and no other panic
			s.fault.Store(lock)
			err = fmt.Errorf("kept runs in %s: %w", s.dir, ErrFault)
		default:
			panic(r)
		}
	}()
	return f()
}

// baseRoom is what opening and closing takes at most, whatever is kept, and some
// that others may take meanwhile.
const baseRoom = 1 << 20

// room looks whether there is space for size bytes more. Badger maps files with
// holes and would end the process where it cannot fill one. It may write all
// tables anew, and a run into a log, a table, and a larger one.
func (s *Store) room(files []fs.DirEntry, size int) error {
	need := baseRoom + 3*uint64(size)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		switch stat, ok := info.Sys().(*syscall.Stat_t); {
		case filepath.Ext(f.Name()) == tableExt:
			need += uint64(info.Size())
		case ok && filepath.Ext(f.Name()) == logExt: // it becomes a table, without its holes
			need += uint64(stat.Blocks) * 512
		}
	}
	free, err := s.free(s.dir)
	if err == nil && free < need {
		err = &NoRoomError{s.dir, free, need}
	}
	return err
}

// freeBytes returns how many bytes a user may still write into a folder, quotas
// apart.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("look for space: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// intact looks whether the manifest and the tables that it names are whole, for
// Badger panics at tables that are not, or leaves them out, and deletes those that
// a cut manifest does not name. A killed process, whose log is there still, may
// have left some that are not named yet, or not any more, and whose runs are
// elsewhere: in case it is a cut manifest after all, they get another name.
func intact(opt badger.Options, files []fs.DirEntry) error {
	path := filepath.Join(opt.Dir, badger.ManifestFilename)
	named, err := readManifest(path, opt)
	if err != nil {
		return err
	}
	if _, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: opt.Dir, ReadOnly: true}); err != nil {
		return damaged(filepath.Join(opt.Dir, badger.KeyRegistryFileName), err)
	}
	for id, t := range named {
		if err := intactTable(table.NewFilename(id, opt.Dir), table.Options{Compression: t.Compression}); err != nil {
			return err
		}
	}
	killed := named != nil && slices.ContainsFunc(files, func(f fs.DirEntry) bool { return filepath.Ext(f.Name()) == logExt })
	for _, f := range files {
		id, isTable := table.ParseFileID(f.Name())
		if _, ok := named[id]; ok || !isTable {
			continue
		}
		if !killed {
			return &DamagedError{path, fmt.Errorf("%s is not in it", f.Name())}
		}
		name := filepath.Join(opt.Dir, f.Name())
		if err := os.Rename(name, name+".unnamed"); err != nil {
			return err
		}
	}
	return nil
}

// dropEmptyLogs removes what a process leaves that was killed before it wrote to a log or
// a file of values that it had made: Badger fails at such a file once.
func dropEmptyLogs(dir string, files []fs.DirEntry) error {
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != logExt && ext != valuesExt {
			continue
		}
		info, err := f.Info()
		if err == nil && info.Size() == 0 {
			err = os.Remove(filepath.Join(dir, f.Name()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readManifest returns the tables that a manifest names: none if there is none. A
// torn last entry is passed over, as Badger does.
func readManifest(path string, opt badger.Options) (map[uint64]badger.TableManifest, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, _, err := badger.ReplayManifestFile(f, opt.ExternalMagicVersion, opt)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, damaged(path, err)
	}
	return m.Tables, nil
}

// intactTable checks all checksums of a table, on a copy in memory and here, where
// Badger's panics can be caught.
func intactTable(path string, opt table.Options) (err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{path, err}
	}
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil || err != nil {
			err = &DamagedError{path, errors.New("it is cut, or not what was written")}
		}
	}()
	t, err := table.OpenInMemoryTable(b, 0, &opt)
	if err != nil {
		return err
	}
	return t.VerifyChecksum()
}
