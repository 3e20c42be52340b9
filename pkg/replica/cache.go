package replica

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrCacheTooSmall says that what a start without a store needs of a dataset
// does not fit into the cache.
var ErrCacheTooSmall = errors.New("cache is too small")

// errPaused says that something was not written to the cache, because another
// write failed a short while ago, which was said then.
var errPaused = errors.New("a write to the cache failed a short while ago")

// writePause is the pause after the first write that fails.
const writePause = time.Minute

const (
	cacheTemp  = ".temp" // folder of files that are being written
	tempIDSize = 8       // bytes of the names in cacheTemp
)

// A Cache keeps files of stores on the local disk: blobs, manifests and schemas
// by their keys, each checked against the digest in its key whenever it is
// read, and of each dataset what its log said last. It holds what is needed to
// load that version without a store; of the rest what was used last, within its
// size. Who finds no room takes none from what others need. One process uses a
// folder at a time. It is safe for concurrent use.
type Cache struct {
	dir string
	max int64

	putting sync.Mutex // one put at a time, so that all of them fit

	mu    sync.Mutex
	files map[string]*cachedFile // by key
	size  int64                  // of all of them
	clock int64                  // counts uses
	made  int                    // how often the folder was made again
	held  map[dataset.Name]holding
	began sync.Once // the first use in this process was noted
	// A write that fails, as to a full disk, makes a pause in those of its dataset,
	// until all that it needs was kept: a manifest finds room where no blob does.
	pauses map[dataset.Name]*pause
}

// cachedFile is a file of a Cache.
type cachedFile struct {
	size int64
	used int64 // when: the Cache's clock
}

// OpenCache opens the cache in a folder, which is made if it is missing, and
// bounds it to max bytes. A folder that holds something else, or lies in a
// store, is refused with ErrNotCache.
func OpenCache(dir string, max int64) (*Cache, error) {
	c := &Cache{
		dir: dir, max: max, files: map[string]*cachedFile{},
		held: map[dataset.Name]holding{}, pauses: map[dataset.Name]*pause{},
	}
	if err := takeFolder(dir); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := c.scan(); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := c.holdStarts(); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	c.room("", 0) // it was larger, or another process has written to it
	return c, nil
}

// ready makes the folder again if somebody removed it, and forgets what was in
// it. It returns how often that was: who kept something when it was less often
// has to keep it again. It fails with errPaused if it is too early to write.
func (c *Cache) ready(n dataset.Name) (made int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pauses[n]; p != nil && !p.over(time.Now()) {
		return c.made, errPaused
	}
	if _, err := os.Lstat(filepath.Join(c.dir, cacheTemp)); !errors.Is(err, fs.ErrNotExist) {
		return c.made, nil // of other errors, who writes there hears
	}
	clear(c.files)
	clear(c.held)
	c.size = 0
	c.made++
	if err = takeFolder(c.dir); err == nil {
		err = c.scan()
	}
	if err != nil {
		c.failed(n)
		return c.made, fmt.Errorf("make the cache's folder again: %w", err)
	}
	return c.made, nil
}

// failed begins a pause in the writes of a dataset. The mutex is held.
func (c *Cache) failed(n dataset.Name) {
	if c.pauses[n] == nil {
		c.pauses[n] = &pause{}
	}
	c.pauses[n].failed(time.Now(), writePause)
}

// works says that all that a dataset needs was written.
func (c *Cache) works(n dataset.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pauses, n)
}

// scan finds the files of an earlier process, in the order of their last use.
// Nobody else has the Cache, or the mutex is held.
func (c *Cache) scan() error {
	type found struct {
		key  string
		info fs.FileInfo
	}
	var all []found
	err := filepath.WalkDir(c.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil && name != c.dir {
			return nil // a folder of it that cannot be read is of no use, and stops nobody
		}
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(c.dir, name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if _, ok := digestOf(key); !ok {
			return nil
		}
		if info, err := e.Info(); err == nil { // else it has gone meanwhile
			all = append(all, found{key, info})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b found) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, f := range all {
		c.clock++
		c.files[f.key] = &cachedFile{f.info.Size(), c.clock}
		c.size += f.info.Size()
	}
	return err
}

// digestOf returns the digest of the bytes of a key; false for keys whose bytes
// are not named so.
func digestOf(key string) (dataset.Digest, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return dataset.Digest{}, false
	}
	name := parts[2]
	switch parts[1] {
	case "schemas":
	case "blobs", "versions":
		_, name, _ = strings.Cut(strings.TrimSuffix(name, ".json"), "-")
	default:
		return dataset.Digest{}, false
	}
	d, err := dataset.ParseDigest(name)
	return d, err == nil
}

// datasetOf returns the dataset of a key.
func datasetOf(key string) dataset.Name {
	name, _, _ := strings.Cut(key, "/")
	return dataset.Name(name)
}

func (c *Cache) path(key string) string { return filepath.Join(c.dir, filepath.FromSlash(key)) }

// get returns the bytes of a key. A file that is damaged goes.
func (c *Cache) get(key string) ([]byte, bool) {
	want, ok := digestOf(key)
	if !ok || !c.use(key) {
		return nil, false
	}
	b, err := blob.ReadFile(c.path(key), math.MaxInt64)
	ok = err == nil && dataset.DigestOf(b) == want
	c.found(key, ok, err)
	return b, ok
}

// exhausted says whether a file could not be read because the process, or the machine,
// has no more of what that takes for now. The file may be as good as before.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// open is get for a file that is too large to be in memory as a whole. Whoever reads it
// sees whether it is damaged, and calls check then.
func (c *Cache) open(key string) (f *os.File, size int64, ok bool) {
	if _, ok := digestOf(key); !ok || !c.use(key) {
		return nil, 0, false
	}
	f, size, err := blob.OpenFile(c.path(key))
	c.found(key, err == nil, err)
	return f, size, err == nil
}

// check removes the file of a key if it is damaged.
func (c *Cache) check(key string) {
	want, ok := digestOf(key)
	if !ok || !c.use(key) {
		return
	}
	h := sha256.New()
	f, _, err := blob.OpenFile(c.path(key))
	if err == nil {
		_, err = io.Copy(h, f)
		_ = f.Close() // it was only read
	}
	c.found(key, err == nil && bytes.Equal(h.Sum(nil), want[:]), err)
}

// found notes for the next process that a file was used, or removes it if it is
// not what it was: not because of an error that tells nothing about it.
func (c *Cache) found(key string, ok bool, err error) {
	if ok {
		now := time.Now()
		_ = os.Chtimes(c.path(key), now, now)
		return
	}
	if exhausted(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

// use notes the use of a key, and says whether it is there.
func (c *Cache) use(key string) bool {
	c.began.Do(c.begin)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[key]
	if f != nil {
		c.clock++
		f.used = c.clock
	}
	return f != nil
}

func (c *Cache) has(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[key] != nil
}

// put keeps the bytes of a key if there is room, at the cost of what was used
// longest ago.
func (c *Cache) put(key string, data []byte) error {
	if want, ok := digestOf(key); !ok || dataset.DigestOf(data) != want || c.has(key) {
		return nil
	}
	c.putting.Lock()
	defer c.putting.Unlock()
	if _, err := c.ready(datasetOf(key)); err != nil {
		return err
	}
	if !c.room(key, int64(len(data))) {
		return nil
	}
	if err := c.write(key, data); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	if c.files[key] == nil {
		c.size += int64(len(data))
	}
	c.files[key] = &cachedFile{int64(len(data)), c.clock}
	return nil
}

// write gives a file its content at once.
func (c *Cache) write(key string, data []byte) error {
	c.began.Do(c.begin)
	var id [tempIDSize]byte
	_, _ = rand.Read(id[:]) // never fails
	temp := filepath.Join(c.dir, cacheTemp, hex.EncodeToString(id[:]))
	err := os.MkdirAll(filepath.Dir(c.path(key)), 0o700)
	if err == nil {
		err = os.WriteFile(temp, data, 0o600)
	}
	if err == nil {
		err = os.Rename(temp, c.path(key))
	}
	if err != nil {
		_ = os.Remove(temp) // else the next process does
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed(datasetOf(key))
		return fmt.Errorf("write to cache: %w", err)
	}
	return nil
}

// remove deletes a file. The mutex is held.
func (c *Cache) remove(key string) {
	if f := c.files[key]; f != nil {
		c.size -= f.size
		delete(c.files, key)
		_ = os.Remove(c.path(key)) // a later process finds it again
	}
}

// cachedStore is a store whose immutable files are kept in a cache. Without a
// store it has what the cache has.
type cachedStore struct {
	blob.Store
	cache *Cache
	warn  func(error)
}

// Get implements blob.Store.
func (s cachedStore) Get(ctx context.Context, key string) ([]byte, error) {
	if b, ok := s.cache.get(key); ok {
		return b, nil
	}
	if s.Store == nil {
		return nil, fmt.Errorf("get %s: it is not in the cache, or cannot be read there: %w", key, blob.ErrNotFound)
	}
	b, err := s.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := s.cache.put(key, b); err != nil && !errors.Is(err, errPaused) {
		s.warn(err) // a disk that is full stops nobody
	}
	return b, nil
}

// Stream implements blob.Streamer. A file of the cache may be damaged.
func (s cachedStore) Stream(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if f, size, ok := s.cache.open(key); ok {
		return f, size, nil
	}
	b, err := s.Get(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}
