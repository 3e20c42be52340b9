package state

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
)

// Dump writes the canonical dump of the state: ASCII JSON lines, a header, then
// one line a record by type name and ordinal. version is written as given.
func (s *State) Dump(w io.Writer, version string) error {
	out := bufio.NewWriterSize(w, 1<<16)
	b := s.appendDumpHeader(nil, version)
	for _, t := range s.types {
		for o := range t.Ordinals() {
			if _, err := out.Write(append(b, '\n')); err != nil {
				return fmt.Errorf("write dump: %w", err)
			}
			b = t.Record(o).appendDump(b[:0])
		}
	}
	if _, err := out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write dump: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write dump: %w", err)
	}
	return nil
}

func (s *State) appendDumpHeader(b []byte, version string) []byte {
	b = append(b, `{"header":{"version":`...)
	b = appendASCII(b, utf16.Encode([]rune(version)))
	b = fmt.Appendf(b, `,"stateTag":"%d","tags":{`, s.header.Tag)
	names := slices.SortedFunc(maps.Keys(s.header.Tags), compareUTF16)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendASCII(b, utf16.Encode([]rune(name)))
		b = append(b, ':')
		b = appendASCII(b, utf16.Encode([]rune(s.header.Tags[name])))
	}
	b = append(b, `},"types":[`...)
	for i, t := range s.types {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = appendASCII(b, utf16.Encode([]rune(t.schema.Name)))
		b = fmt.Appendf(b, `,"kind":"%v","numShards":%d,"records":%d}`, t.schema.Kind, t.shards, t.count)
	}
	return append(b, "]}}"...)
}

func (r Record) appendDump(b []byte) []byte {
	s := r.t.schema
	b = append(b, `{"type":`...)
	b = appendASCII(b, utf16.Encode([]rune(s.Name)))
	b = fmt.Appendf(b, `,"ordinal":%d,"kind":"%v",`, r.Ordinal(), s.Kind)
	switch s.Kind {
	case Object:
		b = append(b, `"fields":{`...)
		for f := range s.Fields {
			if f > 0 {
				b = append(b, ',')
			}
			b = appendASCII(b, utf16.Encode([]rune(s.Fields[f].Name)))
			b = append(b, ':')
			b = r.appendDumpField(b, f)
		}
		return append(b, "}}"...)
	case Map:
		return append(r.appendDumpEntries(append(b, `"entries":[`...)), "]}"...)
	}
	b = append(b, `"elements":[`...)
	var list []collectionEntry
	list = appendEntries(list, r.page(), r.slot())
	if s.Kind == Set {
		slices.SortStableFunc(list, func(a, b collectionEntry) int { return cmp.Compare(a.element, b.element) })
	}
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(e.element), 10)
	}
	return append(b, "]}"...)
}

func (r Record) appendDumpEntries(b []byte) []byte {
	list := appendEntries(nil, r.page(), r.slot())
	slices.SortStableFunc(list, func(a, b collectionEntry) int { return cmp.Compare(a.element, b.element) })
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "[%d,%d]", e.element, e.value)
	}
	return b
}

func (r Record) appendDumpField(b []byte, f int) []byte {
	v := r.Value(f)
	switch v.kind {
	case 0:
		return append(b, "null"...)
	case Int:
		return strconv.AppendInt(b, int64(v.Int()), 10)
	case Long:
		return append(strconv.AppendInt(append(b, '"'), v.Long(), 10), '"')
	case Boolean:
		return strconv.AppendBool(b, v.Bool())
	case Float:
		return fmt.Appendf(b, `{"bits":"%08x"}`, math.Float32bits(v.Float()))
	case Double:
		return fmt.Appendf(b, `{"bits":"%016x"}`, math.Float64bits(v.Double()))
	case Reference:
		return strconv.AppendInt(b, int64(v.Reference()), 10)
	case Bytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Data())
		return append(b, '"')
	}
	units := r.AppendUTF16(nil, f)
	if !wellFormedUnits(units) {
		b = append(b, `{"utf16":"`...)
		for _, c := range units {
			b = fmt.Appendf(b, "%04x", c)
		}
		return append(b, `"}`...)
	}
	return appendASCII(b, units)
}

func wellFormedUnits(units []uint16) bool {
	for i := 0; i < len(units); i++ {
		if !utf16.IsSurrogate(rune(units[i])) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == 0xfffd {
			return false
		}
		i++
	}
	return true
}

// appendASCII appends a JSON string of ASCII characters only.
func appendASCII(b []byte, units []uint16) []byte {
	const short = "\b\f\n\r\t\"\\"
	b = append(b, '"')
next:
	for _, c := range units {
		for i := range len(short) {
			if c == uint16(short[i]) {
				b = append(b, '\\', `bfnrt"\`[i])
				continue next
			}
		}
		if c < 0x20 || c > 0x7e {
			b = fmt.Appendf(b, `\u%04x`, c)
			continue
		}
		b = append(b, byte(c))
	}
	return append(b, '"')
}
