package announce

import (
	"context"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// A Line is an entry of a log, or why it cannot be read.
type Line struct {
	Position int64
	Entry    Entry
	Lost     error // it is gone or damaged; nil if it is there
}

// Last returns the last n lines of the log, oldest first, or as many as there are.
// Void entries are among them, as in Entries; how they are linked is not checked.
func (l *Log) Last(ctx context.Context, n int64) ([]Line, error) {
	f, err := l.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	var out []Line
	for pos := max(0, f.Position+1-n); pos <= f.Position; pos++ {
		line, err := l.line(ctx, pos)
		if err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

// line reads the entry at a position by itself.
func (l *Log) line(ctx context.Context, pos int64) (Line, error) {
	line := Line{Position: pos}
	data, err := l.store.Get(ctx, blob.LogKey(l.name, pos))
	if err == nil {
		line.Entry, err = DecodeEntry(data)
	}
	if IsLost(err) {
		line.Lost, err = err, nil
	}
	return line, err
}
