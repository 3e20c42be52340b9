package producer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// A part is some lines of a source that follow each other. Parts are parsed at
// the same time, and what is wrong with them is said in their order.
type part struct {
	text  []byte // the lines
	ends  []int  // where each ends
	at    []Position
	keyed []keyedLine // those whose key is known
	keys  []byte      // scratch: their forms
	err   error       // what is wrong with the line behind them, or with the last of them
}

// keyedLine is the key of a line, also in a form in which no two keys are the same
// bytes.
type keyedLine struct {
	values []state.Value
	form   string
	end    int // of form, in the keys of the part
}

const (
	partLines = 256
	partBytes = 1 << 20
)

func (p *part) add(at Position, line []byte) {
	p.text = append(p.text, line...)
	p.ends, p.at = append(p.ends, len(p.text)), append(p.at, at)
}

func (p *part) full() bool { return len(p.at) >= partLines || len(p.text) >= partBytes }

// fill parses the lines and puts the records into a batch, up to the first that
// is wrong.
func (p *part) fill(b *state.Batch, m *protomap.Mapping) {
	start := 0
	for i, end := range p.ends {
		if err := p.fillLine(b, m, p.text[start:end]); err != nil {
			p.err = fmt.Errorf("read %s: %w", p.at[i], err)
			break
		}
		start = end
	}
	p.setForms()
}

// setForms sets the forms of the keys, which are kept to the end: all of a part are one
// piece of memory, so that the collector has less to look at.
func (p *part) setForms() {
	forms, start := string(p.keys), 0
	for i := range p.keyed {
		k := &p.keyed[i]
		k.form, start = forms[start:k.end], k.end
	}
	p.keys = nil
}

func (p *part) fillLine(b *state.Batch, m *protomap.Mapping, line []byte) error {
	msg, err := m.ParseJSON(line)
	if err != nil {
		return fmt.Errorf("%w%s", err, hint(line))
	}
	values, err := m.KeyOf(msg)
	if err != nil {
		return err
	}
	p.keys = appendKey(p.keys, values)
	p.keyed = append(p.keyed, keyedLine{values: values, end: len(p.keys)})
	_, err = m.Add(b, msg)
	return err
}

// accept refuses a key that was seen before, and a part that has something wrong.
func (p *part) accept(m *protomap.Mapping, seen map[string]Position) error {
	for i, k := range p.keyed {
		if first, ok := seen[k.form]; ok {
			return fmt.Errorf("read %s: key %s was already at %s: %w", p.at[i], dataset.Printable(fmt.Sprint(m.KeyTexts(k.values))), first, ErrDuplicate)
		}
		seen[k.form] = p.at[i]
	}
	return p.err
}

// errStopped says that no more parts are wanted.
var errStopped = errors.New("stopped")

// appendKey appends a form of the key in which no two keys are the same bytes.
func appendKey(b []byte, key []state.Value) []byte {
	for _, v := range key {
		b = append(b, byte(v.Type()))
		switch v.Type() {
		case state.String, state.Bytes:
			b = binary.AppendUvarint(b, uint64(len(v.Data())))
			b = append(b, v.Data()...)
		default:
			b = binary.AppendVarint(b, v.Long())
		}
	}
	return b
}
