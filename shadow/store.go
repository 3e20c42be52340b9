package shadow

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Store keeps the reports of a candidate's runs in an embedded Badger
// database, by evaluation. It is safe for concurrent use.
type Store struct {
	db *badger.DB
}

// OpenStore opens the database in a folder, which is made if need be. Only one
// process can have it open.
func OpenStore(dir string) (*Store, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithMemTableSize(8 << 20). // reports are small
		WithValueLogFileSize(64 << 20).
		WithNumVersionsToKeep(1))
	if err != nil {
		return nil, fmt.Errorf("open kept runs in %s: %w", dir, err)
	}
	return &Store{db}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// runKey names a run by its build and the content of the evaluation.
func runKey(candidate string, e dataset.Evaluation) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	b = append(b, candidate...)
	d := dataset.DigestOf(b)
	return append([]byte("run/"), d[:]...), nil
}

// Put keeps a report in the place of an earlier one of the same evaluation.
func (s *Store) Put(r *compare.Report) error {
	key, err := runKey(r.Candidate, r.Evaluation)
	if err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	if err := s.db.Update(func(tx *badger.Txn) error { return tx.Set(key, b) }); err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	return nil
}

// Get returns the report of a candidate's run on an evaluation's inputs, nil if
// none is kept.
func (s *Store) Get(candidate string, e dataset.Evaluation) (*compare.Report, error) {
	key, err := runKey(candidate, e)
	if err != nil {
		return nil, fmt.Errorf("read kept run: %w", err)
	}
	var out *compare.Report
	err = s.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			out = new(compare.Report)
			return json.Unmarshal(b, out)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read kept run: %w", err)
	}
	return out, nil
}
