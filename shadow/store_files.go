package shadow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// The files that Badger keeps runs in, those that it writes ahead, and those of
// values above 1 MiB.
const tableExt, logExt, valuesExt = ".sst", ".mem", ".vlog"

// discardName is the file in which Badger counts what is obsolete in files of values.
const discardName = "DISCARD"

// most is how many bytes Badger's files have at most, by name or by what it ends in,
// with some to spare. A file with holes may seem to have any number, and would be read
// for days.
var most = map[string]int64{
	badger.KeyRegistryFileName: 4 << 10,
	badger.ManifestFilename:    16 << 20,
	discardName:                16 << 20,
	tableExt:                   1 << 30,
	logExt:                     256 << 20,
	valuesExt:                  1 << 30,
}

// errTooLarge, errTooSmall and errNotOurs say what is wrong with a file of Badger's.
var (
	errTooLarge = errors.New("it is larger than it can be")
	errTooSmall = errors.New("it is cut")
	errNotOurs  = errors.New("it is not what was written")
)

// plausible looks whether what has the name of one of Badger's files is a file, of a
// size that it can have: Badger would wait for ever at a pipe, and read holes.
func plausible(dir string, files []fs.DirEntry) error {
	for _, f := range files {
		limit, ours := most[f.Name()]
		if !ours {
			limit, ours = most[filepath.Ext(f.Name())]
		}
		if !ours {
			continue
		}
		path := filepath.Join(dir, f.Name())
		if !f.Type().IsRegular() {
			return &DamagedError{path, blob.ErrNotRegular}
		}
		info, err := f.Info()
		switch {
		case err != nil:
			return err
		case info.Size() > limit:
			return &DamagedError{path, fmt.Errorf("%w: %d bytes, of at most %d", errTooLarge, info.Size(), limit)}
		case f.Name() == discardName && info.Size() > 0 && info.Size() < 1<<20: // it is made with that many
			return &DamagedError{path, errTooSmall}
		}
		if err := plausibleLog(path); err != nil {
			return err
		}
	}
	return nil
}

// logHeader begins each log and each file of values: the number of a key, of which
// there are none, and random bytes.
const logHeader = 20

// plausibleLog looks whether a log, or a file of values, has a name and a header as
// Badger gives them: it does not clean up behind itself if a log has none.
func plausibleLog(path string) error {
	ext := filepath.Ext(path)
	if ext != logExt && ext != valuesExt {
		return nil
	}
	name := strings.TrimSuffix(filepath.Base(path), ext)
	width := map[string]int{logExt: 5, valuesExt: 6}[ext]
	if n, err := strconv.ParseUint(name, 10, 32); err != nil || name != fmt.Sprintf("%0*d", width, n) {
		return &DamagedError{path, fmt.Errorf("%w: no file has such a name", errNotOurs)}
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	header := make([]byte, logHeader)
	_, err = io.ReadFull(f, header)
	err = errors.Join(err, f.Close())
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // nothing was written to it yet
	}
	if err == nil && binary.BigEndian.Uint64(header) != 0 {
		err = &DamagedError{path, errNotOurs}
	}
	return err
}

// refusals are the errors of a file system that are no damage.
var refusals = []syscall.Errno{
	syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE,
	syscall.ENOMEM, syscall.EIO, syscall.ESTALE, syscall.ENXIO, syscall.ENODEV, syscall.ETIMEDOUT, syscall.EINTR, syscall.ENOTDIR,
}

// damaged returns a DamagedError, unless the file system refused something. Of many
// errors Badger keeps the words alone.
func damaged(path string, err error) error {
	refused := slices.ContainsFunc(refusals, func(kind syscall.Errno) bool {
		return errors.Is(err, kind) || strings.Contains(err.Error(), ": "+kind.Error())
	})
	if known := (*DamagedError)(nil); refused || errors.As(err, &known) {
		return err
	}
	return &DamagedError{path, err}
}
