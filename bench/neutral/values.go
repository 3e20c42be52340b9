package neutral

import (
	"encoding/binary"
	"math"
)

// Cursor decodes values one after another. It trusts its bytes: the
// benchmarks read only files that they wrote.
type Cursor struct{ b []byte }

// NewCursor reads the body of a frame.
func NewCursor(body []byte) *Cursor { return &Cursor{body} }

// Uint reads an unsigned LEB128.
func (c *Cursor) Uint() uint64 {
	v, n := binary.Uvarint(c.b)
	c.b = c.b[n:]
	return v
}

// Int reads a zigzag LEB128.
func (c *Cursor) Int() int64 {
	v, n := binary.Varint(c.b)
	c.b = c.b[n:]
	return v
}

// Bytes reads a length and that many bytes, which are a view: a string.
func (c *Cursor) Bytes() []byte {
	n := c.Uint()
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

// Byte reads a byte.
func (c *Cursor) Byte() byte {
	b := c.b[0]
	c.b = c.b[1:]
	return b
}

// Bool reads a byte that is 0 or 1.
func (c *Cursor) Bool() bool { return c.Byte() != 0 }

// Float reads a float32.
func (c *Cursor) Float() float32 {
	v := math.Float32frombits(binary.LittleEndian.Uint32(c.b))
	c.b = c.b[4:]
	return v
}

// Double reads a float64.
func (c *Cursor) Double() float64 {
	v := math.Float64frombits(binary.LittleEndian.Uint64(c.b))
	c.b = c.b[8:]
	return v
}

// AppendText is the inverse of Bytes.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendBool is the inverse of Bool.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendFloat is the inverse of Float.
func AppendFloat(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

// AppendDouble is the inverse of Double.
func AppendDouble(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}
