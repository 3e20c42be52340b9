package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// tempFolder holds files that are being written. No key and none of
	// Hollow's names begins with a dot.
	tempFolder = ".holdfast-tmp"
	// tempLife is the age at which a temporary file has lost its writer.
	tempLife = 24 * time.Hour
	// blobMode keeps others from writing into what is immutable.
	blobMode = 0o444
)

// Dir is the Store in a directory: a key is a file. Put writes a temporary
// file and links it to its name, so that a key appears with all its bytes or
// not at all, and only once. The file system must know hard links. Make one
// with OpenDir or CreateDir.
type Dir struct {
	root  string // absolute
	clean sync.Once
}

var (
	_ Store        = (*Dir)(nil)
	_ Foldered     = (*Dir)(nil)
	_ Sequel       = (*Dir)(nil)
	_ CappedGetter = (*Dir)(nil)
)

// OpenDir opens the store in the directory path, which must exist.
func OpenDir(path string) (*Dir, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, plain(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open store %s: it is not a directory", path)
	}
	return &Dir{root: root}, nil
}

// LaterDir is OpenDir, but it is no error that the directory is missing: whoever
// uses the store gets one until it is there. path is absolute.
func LaterDir(path string) *Dir { return &Dir{root: path} }

// CreateDir opens the store in the directory path to write to it, and makes
// it if it is missing. It fails if the directory cannot be written.
func CreateDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("create store %s: %w", path, plain(err))
	}
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	name, err := d.writeTemp(nil)
	if err != nil {
		return nil, fmt.Errorf("write to store %s: %w", path, err)
	}
	if err := os.Remove(name); err != nil {
		return nil, fmt.Errorf("write to store %s: %w", path, plain(err))
	}
	return d, nil
}

// Root returns the absolute path of the store.
func (d *Dir) Root() string { return d.root }

// Path returns the file that holds, or would hold, key.
func (d *Dir) Path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// Put implements Store.
func (d *Dir) Put(ctx context.Context, key string, data []byte) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("put: %w: %w", ErrNotWritten, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	d.clean.Do(d.removeLostTemps)
	path := d.Path(key)
	if _, err := os.Lstat(path); err == nil {
		return d.exists(key)
	}
	if err := CheckSize(key, int64(len(data)), MaxSize(key)); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	if err := d.makeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	temp, err := d.writeTemp(data)
	if err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	defer os.Remove(temp) // a lost one goes after tempLife
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return d.exists(key)
	} else if refused(err) {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, plain(err))
	} else if err != nil {
		return fmt.Errorf("put %s: %w", key, plain(err))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("put %s: written, but not known to be durable: %w", key, err)
	}
	return nil
}

// exists returns ErrExists once the name of key is durable, whoever made it.
// What is no file has no bytes that anybody could read.
func (d *Dir) exists(key string) error {
	if info, err := os.Stat(d.Path(key)); err != nil || !info.Mode().IsRegular() {
		if _, err := os.Lstat(d.Path(key)); err == nil {
			return fmt.Errorf("put %s: %w: %s: %w: remove it", key, ErrNotWritten, d.Path(key), ErrNotRegular)
		}
	}
	if err := syncFolder(filepath.Dir(d.Path(key))); err != nil {
		return fmt.Errorf("put %s: another exists, but is not known to be durable: %w", key, err)
	}
	return fmt.Errorf("put %s: %w", key, ErrExists)
}

// Temp returns a new path in the store's folder of temporary files, for
// somebody who then renames it to a name outside of the keys. What is left
// there is removed after a day.
func (d *Dir) Temp() (string, error) {
	folder := filepath.Join(d.root, tempFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", plain(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return filepath.Join(folder, hex.EncodeToString(id[:])), nil
}

// writeTemp writes data durably to a new temporary file and returns its path.
func (d *Dir) writeTemp(data []byte) (string, error) {
	name, err := d.Temp()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, blobMode)
	if err != nil {
		return "", plain(err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	err = errors.Join(err, f.Close())
	if err != nil {
		_ = os.Remove(name) // else it goes after tempLife
		return "", plain(err)
	}
	return name, nil
}

// makeFolder makes a folder and the missing ones above it, durably.
func (d *Dir) makeFolder(path string) error {
	if _, err := os.Stat(path); err == nil || path == d.root {
		return nil
	}
	parent := filepath.Dir(path)
	if err := d.makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return plain(err)
	}
	return syncFolder(parent)
}

// removeLostTemps removes what writers that died have left. It does what it
// can: a reader of the store may not be allowed to.
func (d *Dir) removeLostTemps() {
	folder := filepath.Join(d.root, tempFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > tempLife {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

// Get implements Store.
func (d *Dir) Get(ctx context.Context, key string) ([]byte, error) {
	return d.GetAtMost(ctx, key, MaxSize(key))
}

// GetAtMost implements CappedGetter.
func (d *Dir) GetAtMost(ctx context.Context, key string, most int64) ([]byte, error) {
	if err := d.ready(ctx, key); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	b, err := ReadFile(d.Path(key), most)
	if errors.Is(err, ErrNotRegular) {
		return nil, fmt.Errorf("get %s: %w: remove it", key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, d.missing(err))
	}
	return b, nil
}

// Stream implements Streamer.
func (d *Dir) Stream(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if err := d.ready(ctx, key); err != nil {
		return nil, 0, fmt.Errorf("get: %w", err)
	}
	f, size, err := OpenFile(d.Path(key))
	if errors.Is(err, ErrNotRegular) {
		return nil, 0, fmt.Errorf("get %s: %w: remove it", key, err)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("get %s: %w", key, d.missing(err))
	}
	return f, size, nil
}

// Stat implements Store.
func (d *Dir) Stat(ctx context.Context, key string) (Info, error) {
	if err := d.ready(ctx, key); err != nil {
		return Info{}, fmt.Errorf("stat: %w", err)
	}
	info, err := os.Stat(d.Path(key))
	if err != nil {
		return Info{}, fmt.Errorf("stat %s: %w", key, d.missing(err))
	}
	if info.IsDir() {
		return Info{}, fmt.Errorf("stat %s: %w", key, ErrNotFound)
	}
	if !info.Mode().IsRegular() {
		return Info{}, fmt.Errorf("stat %s: %s: %w: remove it", key, d.Path(key), ErrNotRegular)
	}
	return Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// List implements Store. It also lists files that others made in the folder,
// except those whose name begins with a dot.
func (d *Dir) List(ctx context.Context, prefix string) ([]Info, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var out []Info
	start := d.Path(prefix[:strings.LastIndex(prefix, "/")+1])
	if _, err := os.Stat(d.root); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, d.missing(err))
	}
	err := filepath.WalkDir(start, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted while we look
		}
		if err = errors.Join(err, ctx.Err()); err != nil || path == start {
			return err
		}
		return d.visit(path, prefix, e, &out)
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, plain(err))
	}
	slices.SortFunc(out, func(a, b Info) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

// visit adds the file at path to out if List is to return it.
func (d *Dir) visit(path, prefix string, e fs.DirEntry, out *[]Info) error {
	rel, err := filepath.Rel(d.root, path)
	if err != nil {
		return err
	}
	key := filepath.ToSlash(rel)
	if e.IsDir() {
		if e.Name()[0] == '.' || !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) {
			return fs.SkipDir
		}
		return nil
	}
	if e.Name()[0] == '.' || !strings.HasPrefix(key, prefix) || !e.Type().IsRegular() {
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	*out = append(*out, Info{Key: key, Size: info.Size(), Modified: info.ModTime()})
	return nil
}

// Delete implements Store.
func (d *Dir) Delete(ctx context.Context, key string) error {
	if err := d.ready(ctx, key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	err := os.Remove(d.Path(key))
	if errors.Is(missing(err), ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, plain(err))
	}
	return nil
}

// KeysAfter implements Sequel: it looks at names only.
func (d *Dir) KeysAfter(ctx context.Context, prefix, key string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.Path(prefix))
	if err = d.missing(err); errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if name := prefix + e.Name(); name > key && !e.IsDir() && e.Name()[0] != '.' {
			out = append(out, name)
		}
	}
	return out, err
}

// Folders returns the names of the store's folders, sorted.
func (d *Dir) Folders(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return nil, plain(err)
	}
	var out []string
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			continue
		}
		out = append(out, entry.Name())
	}
	return out, nil
}

func (d *Dir) ready(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return plain(err)
	}
	return plain(errors.Join(f.Sync(), f.Close()))
}

// missing turns "no such file" into ErrNotFound, unless it is the store that is
// gone: nobody may take a folder that was not mounted for an empty one.
func (d *Dir) missing(err error) error {
	if err = missing(err); errors.Is(err, ErrNotFound) {
		if _, rootErr := os.Stat(d.root); rootErr != nil {
			return fmt.Errorf("the store's folder %s is not there: %w", d.root, plain(rootErr))
		}
	}
	return err
}

// missing turns "no such file" into ErrNotFound.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return ErrNotFound
	}
	return plain(err)
}

// refused says whether a failed link certainly made no name: a network file
// system may lose the answer of others.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || slices.ContainsFunc([]error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.ENOTSUP, syscall.EXDEV, syscall.EMLINK,
	}, func(e error) bool { return errors.Is(err, e) })
}

// plain adds to an error of the file system what it means for the store.
func plain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the store's file system is full: %w", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the store's file system is read-only: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use the store's folder so: %w", err)
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EXDEV):
		return fmt.Errorf("the store's folder must lie on one file system that knows hard links: %w", err)
	}
	return err
}
