package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-data/holdfast/bench/data"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// featuregateName is the data that is made of the demo's editions: real, small,
// with deltas of their own and therefore without rates.
const featuregateName = "featuregate"

// editionsKind is the kind of the demo's features. It has no neutral form:
// Hollow reads the blobs that we write.
func editionsKind() (*data.Kind, error) {
	m, err := featuregate.Mapping(featuregate.Features)
	if err != nil {
		return nil, err
	}
	return &data.Kind{Root: m.Root()}, nil
}

// prepareEditions writes the editions as a chain in own/.
func (w workspace) prepareEditions() error {
	own, err := createFolder(w.file("own"))
	if err != nil {
		return err
	}
	var last *state.State
	for i, edition := range featuregate.Editions() {
		s, err := readEdition(edition, last, int64(i+1))
		if err != nil {
			return fmt.Errorf("read edition %s: %w", edition.Name, err)
		}
		if last == nil {
			err = own.addSnapshot(s)
		} else {
			var b bytes.Buffer
			err = errors.Join((state.Transition{Prev: last, Next: s}).WriteDelta(&b), own.addDelta(s.Header().Tag, 0, b.Bytes()))
		}
		if err != nil {
			return err
		}
		last = s
	}
	write(sample{Metric: "digest", Text: digest(last, w.kind.Root)})
	return own.finish()
}

func readEdition(edition featuregate.Edition, base *state.State, tag int64) (s *state.State, err error) {
	m, err := featuregate.Mapping(featuregate.Features)
	if err != nil {
		return nil, err
	}
	b, err := state.NewBuilder(base, m.Schemas())
	if err != nil {
		return nil, err
	}
	content, name, err := edition.Open(featuregate.Features)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	lines := io.Reader(content)
	if strings.HasSuffix(name, ".gz") {
		if lines, err = gzip.NewReader(content); err != nil {
			return nil, err
		}
	}
	in := bufio.NewScanner(lines)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		message, err := m.ParseJSON(in.Bytes())
		if err != nil {
			return nil, err
		}
		if _, err := m.Add(b, message); err != nil {
			return nil, err
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	return b.Finish(state.Header{Origin: -1, Tag: tag})
}
