package shadow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrBusy says that another process had the kept runs open for too long.
var ErrBusy = errors.New("another process has the kept runs open")

// How long an operation waits for the one of another process, and how often it
// looks.
const busyWait, busyPoll = 10 * time.Second, 20 * time.Millisecond

// A Store keeps the reports of candidates' runs in an embedded Badger database.
// It has the database open during each operation only, so that a person can look
// at it while a shadow runs. It is safe for concurrent use, also by several
// processes.
type Store struct {
	dir   string
	free  func(dir string) (uint64, error)
	fault atomic.Pointer[os.File] // the lock that is held since a fault
}

// OpenStore returns the store in a folder, which is made if need be.
func OpenStore(ctx context.Context, dir string) (*Store, error) {
	s := &Store{dir: dir, free: freeBytes}
	return s, s.use(ctx, 0, func(*badger.DB) error { return nil })
}

// use runs f, which writes about size bytes, on the open database.
func (s *Store) use(ctx context.Context, size int, f func(*badger.DB) error) error {
	lock, err := s.lock(ctx)
	if err != nil {
		return fmt.Errorf("open kept runs in %s: %w", s.dir, err)
	}
	return s.guard(lock, func() error {
		db, err := s.open(size)
		if err != nil {
			return fmt.Errorf("open kept runs in %s: %w", s.dir, err)
		}
		err = f(db)
		if err == nil && size > 0 {
			err = mergeTables(db)
		}
		return errors.Join(err, db.Close())
	})
}

// lock takes the lock that Badger takes, on the folder itself: files are looked
// at while nobody else changes them. Closing it ends it.
func (s *Store) lock(ctx context.Context) (*os.File, error) {
	if s.fault.Load() != nil {
		return nil, ErrFault
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(busyWait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(err, f.Close())
		case time.Now().After(end):
			return nil, errors.Join(ErrBusy, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(busyPoll):
		}
	}
}

// open opens the database, if its files are whole and there is space for size
// bytes more.
func (s *Store) open(size int) (*badger.DB, error) {
	opt := badger.DefaultOptions(s.dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithMemTableSize(8 << 20). // reports are small
		WithValueLogFileSize(64 << 20).
		WithNumVersionsToKeep(1).
		WithBypassLockGuard(true) // lock has taken it
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	if err := plausible(s.dir, files); err != nil {
		return nil, err
	}
	if err := s.room(files, size); err != nil {
		return nil, err
	}
	if err := intact(opt, files); err != nil {
		return nil, err
	}
	if err := dropEmptyLogs(s.dir, files); err != nil {
		return nil, err
	}
	db, err := badger.Open(opt)
	if err != nil {
		return nil, damaged(s.dir, err)
	}
	return db, nil
}

// manyTables is how many tables of one or few runs each are worth merging.
const manyTables = 16

// mergeTables merges the tables that operations have left, one each, or every operation
// would open all of them. As many as were merged before may come first, so that a run is
// not written anew each time. Badger does so itself only while it is open for longer.
func mergeTables(db *badger.DB) error {
	single, merged := 0, 0
	for _, t := range db.Tables() {
		if t.Level == 0 {
			single++
		} else {
			merged++
		}
	}
	if single < manyTables+merged {
		return nil
	}
	if err := db.Flatten(1); err != nil {
		return fmt.Errorf("merge tables: %w", err)
	}
	return nil
}

// runPrefix begins the key of each report. Each table has the keys before and behind
// all of them, too, without a value: Badger merges only tables that overlap.
const runPrefix, beforeRuns, behindRuns = "run/", "run", "run0"

// ID names a run by all that its verdict depends on: the builds, the rules, the
// terms, and the evaluation whose inputs it was run on.
func ID(r *compare.Report) string {
	b, err := json.Marshal([]any{r.Candidate, r.Control, r.Rules, r.Terms, r.Evaluation})
	if err != nil {
		panic(err) // there is nothing in it that has no JSON
	}
	return dataset.DigestOf(b).String()[:20]
}

// Put keeps a report in the place of an earlier one of the same run.
func (s *Store) Put(ctx context.Context, r *compare.Report) error {
	b, err := seal(r)
	if err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	err = s.use(ctx, len(b), func(db *badger.DB) error {
		return db.Update(func(tx *badger.Txn) error {
			return errors.Join(tx.Set([]byte(beforeRuns), nil), tx.Set([]byte(runPrefix+ID(r)), b), tx.Set([]byte(behindRuns), nil))
		})
	})
	if err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	return nil
}

// All returns every kept report, in order of the evaluations' clocks.
func (s *Store) All(ctx context.Context) ([]*compare.Report, error) {
	var out []*compare.Report
	err := s.use(ctx, 0, func(db *badger.DB) error {
		return db.View(func(tx *badger.Txn) error {
			it := tx.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 100, Prefix: []byte(runPrefix)})
			defer it.Close()
			for it.Rewind(); it.Valid(); it.Next() {
				err := it.Item().Value(func(b []byte) error {
					r, err := unseal(b)
					out = append(out, r)
					return err
				})
				if err != nil {
					return damaged(s.dir, fmt.Errorf("%s: %w", it.Item().Key(), err))
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read kept runs: %w", err)
	}
	slices.SortFunc(out, func(a, b *compare.Report) int {
		return cmp.Or(a.Evaluation.Clock.Compare(b.Evaluation.Clock), cmp.Compare(a.Output, b.Output), cmp.Compare(ID(a), ID(b)))
	})
	return out, nil
}
