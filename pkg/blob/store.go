package blob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Errors of stores and of what is read from them; they come wrapped, with the
// key. Any other error of Put leaves its outcome unknown.
var (
	// ErrExists says that the key has bytes already, durably.
	ErrExists = errors.New("key exists")
	// ErrNotFound says that the key has no bytes.
	ErrNotFound = errors.New("key not found")
	// ErrBadKey says that a key or prefix is not a plain relative path.
	ErrBadKey = errors.New("bad key")
	// ErrNotWritten says that this Put certainly wrote nothing under its key.
	ErrNotWritten = errors.New("nothing written")
	// ErrDigest says that bytes are not those that their referrer names.
	ErrDigest = errors.New("digest or size differs")
)

// Info describes a key without its bytes.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
}

// Store holds immutable bytes by key. Keys are slash-separated relative paths
// without empty segments and without segments that begin with a dot. A Store
// is safe for concurrent use, also by several processes.
type Store interface {
	// Put creates key. Of any number of Puts exactly one succeeds, the
	// others get ErrExists; when it returns nil the bytes are durable and
	// every later Get sees them. The store does not keep data. What Get would
	// refuse as too large is ErrTooLarge.
	Put(ctx context.Context, key string, data []byte) error
	// Get returns the whole content, which the caller owns. A manifest, a
	// schema or a log entry of more than MaxFile bytes is ErrTooLarge.
	Get(ctx context.Context, key string) ([]byte, error)
	// Stat describes key.
	Stat(ctx context.Context, key string) (Info, error)
	// List describes the keys that begin with prefix, sorted by key.
	List(ctx context.Context, prefix string) ([]Info, error)
	// Delete removes key; that it is absent is no error.
	Delete(ctx context.Context, key string) error
}

// Ref names immutable bytes.
type Ref struct {
	Digest dataset.Digest `json:"digest"`
	Size   int64          `json:"size"`
}

// RefOf returns the Ref of b.
func RefOf(b []byte) Ref {
	return Ref{Digest: dataset.DigestOf(b), Size: int64(len(b))}
}

// CappedGetter is what a store may offer so that no more is read than is wanted.
type CappedGetter interface {
	// GetAtMost is Get, but ErrTooLarge beyond most bytes.
	GetAtMost(ctx context.Context, key string, most int64) ([]byte, error)
}

// Get returns the bytes of key if they are those that want names, else
// ErrDigest.
func Get(ctx context.Context, store Store, key string, want Ref) (b []byte, err error) {
	if s, ok := store.(CappedGetter); ok {
		b, err = s.GetAtMost(ctx, key, want.Size)
	} else {
		b, err = store.Get(ctx, key)
	}
	if errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", err, ErrDigest)
	}
	if err != nil {
		return nil, err
	}
	if got := RefOf(b); got != want {
		return nil, fmt.Errorf("get %s: %w: %d bytes with digest %s instead of %d with %s",
			key, ErrDigest, got.Size, got.Digest, want.Size, want.Digest)
	}
	return b, nil
}

// Sequel is what a store may offer to make After cheap.
type Sequel interface {
	// KeysAfter returns the keys that begin with prefix, a folder, and follow key.
	KeysAfter(ctx context.Context, prefix, key string) ([]string, error)
}

// After returns the keys in a folder, whose name ends with a slash, that follow
// key, sorted. In a directory other things than files are among them.
func After(ctx context.Context, store Store, folder, key string) ([]string, error) {
	if s, ok := store.(Sequel); ok {
		out, err := s.KeysAfter(ctx, folder, key)
		if err != nil {
			return nil, fmt.Errorf("list %s behind %s: %w", folder, key, err)
		}
		return out, nil
	}
	infos, err := store.List(ctx, folder)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, info := range infos {
		if info.Key > key {
			out = append(out, info.Key)
		}
	}
	return out, nil
}

// Foldered is what a store may offer to make Datasets cheap.
type Foldered interface {
	// Folders returns the first segments of the keys, sorted.
	Folders(ctx context.Context) ([]string, error)
}

// Datasets returns the names of the datasets that have a log, also one that
// has lost its beginning, sorted.
func Datasets(ctx context.Context, store Store) ([]dataset.Name, error) {
	candidates, err := folders(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("list datasets: %w", err)
	}
	var names []dataset.Name
	for _, folder := range candidates {
		name, err := dataset.ParseName(folder)
		if err != nil {
			continue // something else that lies in the folder
		}
		there, err := hasLog(ctx, store, name)
		if err != nil {
			return nil, fmt.Errorf("list datasets: %w", err)
		}
		if there {
			names = append(names, name)
		}
	}
	return names, nil
}

// hasLog says whether there is any entry of a log: who reads it learns what is
// wrong with one that lacks the first.
func hasLog(ctx context.Context, store Store, n dataset.Name) (bool, error) {
	_, err := store.Stat(ctx, LogKey(n, 0))
	if err == nil || errors.Is(err, ErrNotRegular) {
		return true, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	keys, err := After(ctx, store, string(n)+"/log/", LogKey(n, 0))
	return slices.ContainsFunc(keys, func(key string) bool { return IsLogKey(n, key) }), err
}

// folders returns the first segments of the store's keys, sorted.
func folders(ctx context.Context, store Store) ([]string, error) {
	if f, ok := store.(Foldered); ok {
		return f.Folders(ctx)
	}
	infos, err := store.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, info := range infos {
		folder, _, _ := strings.Cut(info.Key, "/")
		if len(out) == 0 || out[len(out)-1] != folder {
			out = append(out, folder)
		}
	}
	return out, nil
}
