package blob

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Store in memory, for tests. Make one with NewMemory.
type Memory struct {
	mu    sync.Mutex
	files map[string]memoryFile
}

type memoryFile struct {
	data     []byte
	modified time.Time
}

var (
	_ Store        = (*Memory)(nil)
	_ CappedGetter = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{files: make(map[string]memoryFile)} }

// Put implements Store.
func (m *Memory) Put(ctx context.Context, key string, data []byte) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("put: %w: %w", ErrNotWritten, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[key]; ok {
		return fmt.Errorf("put %s: %w", key, ErrExists)
	}
	if err := CheckSize(key, int64(len(data)), MaxSize(key)); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, ErrNotWritten, err)
	}
	m.files[key] = memoryFile{bytes.Clone(data), time.Now()}
	return nil
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	return m.GetAtMost(ctx, key, MaxSize(key))
}

// GetAtMost implements CappedGetter.
func (m *Memory) GetAtMost(ctx context.Context, key string, most int64) ([]byte, error) {
	f, err := m.file(ctx, key)
	if err == nil {
		err = CheckSize(key, int64(len(f.data)), most)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return append([]byte{}, f.data...), nil
}

// Stat implements Store.
func (m *Memory) Stat(ctx context.Context, key string) (Info, error) {
	f, err := m.file(ctx, key)
	if err != nil {
		return Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return Info{Key: key, Size: int64(len(f.data)), Modified: f.modified}, nil
}

func (m *Memory) file(ctx context.Context, key string) (memoryFile, error) {
	if err := CheckKey(key); err != nil {
		return memoryFile{}, err
	}
	if err := ctx.Err(); err != nil {
		return memoryFile{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[key]
	if !ok {
		return memoryFile{}, ErrNotFound
	}
	return f, nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context, prefix string) ([]Info, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Info
	for _, key := range slices.Sorted(maps.Keys(m.files)) {
		if f := m.files[key]; strings.HasPrefix(key, prefix) {
			out = append(out, Info{Key: key, Size: int64(len(f.data)), Modified: f.modified})
		}
	}
	return out, nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, key)
	return nil
}
