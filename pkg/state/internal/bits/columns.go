package bits

// A Column says where one field of a page's records lies: the i'th number is
// Add + base + i*slope + Div*(the i'th number of Width bits). Frames of
// reference, as they are called (Goldstein, Ramakrishnan and Shaft, 1998), cost
// a look-up little, because the base lies in the page itself. It is a line of the
// cache, and of words, so that processors compute with them where they are.
type Column struct {
	Bit       uint64 // where the first number lies
	Mask      uint64 // of Width bits
	Div       uint64 // less than 1<<32
	Add       uint64 // the number, if it is the same in every such page
	BaseMask  uint64
	SlopeMask uint64 // of up to 32 bits
	Head      uint64 // where base and slope lie, or would, in bytes: before the numbers, as far as there are any

	Width               uint8 // up to 57, or 64
	BaseBits, SlopeBits uint8 // both 0 if there is no head; less than 64 if there is a slope
	NullBits            uint8 // 1 if the lowest bit of each number of a STRING or BYTES column says null, else 0

	Before int32 // of a STRING or BYTES column: the one before it, -1 if there is none; else NoText
}

// NoText is Before of a column that holds no places of texts.
const NoText = -2

// HeadBytes returns the length of a column's base and slope.
func (c *Column) HeadBytes() int { return int(c.BaseBits+c.SlopeBits) / 8 }

// Bytes returns the length of a column of ColumnLen numbers, with base and slope.
func (c *Column) Bytes() int { return c.HeadBytes() + int(c.Width)*ColumnLen/8 }

// At returns the position of the i'th number, in bits.
func (c *Column) At(i uint64) uint64 { return c.Bit + i*uint64(c.Width) }

// Number returns the i'th number from the words that begin with its first byte
// and with the column's base. It has no branch: what columns have differs from
// page to page, so that branches would be mispredicted, and a look-up stop there.
func (c *Column) Number(word, head, i uint64) uint64 {
	packed := word >> (c.At(i) & 7) & c.Mask
	return packed*c.Div + c.Add + head&c.BaseMask + head>>(c.BaseBits&63)&c.SlopeMask*i
}

// ExpandColumns sets dst to the numbers of one column each of some pages,
// ColumnLen a page, and nulls to a bit for each that is null; in dst they are
// signed if the columns have the zigzag forms of signed numbers, plus one. dst,
// nulls and columns have room for all pages.
func ExpandColumns(dst []uint64, nulls []uint16, pages []Page, columns []*Column, null uint64, signed bool) {
	dst, nulls, columns = dst[:ColumnLen*len(pages)], nulls[:len(pages)], columns[:len(pages)]
	for at := 0; at < len(pages); {
		n := 0
		for at+n < len(pages) && canExpand(int(columns[at+n].Width)) {
			n++
		}
		if n > 0 {
			expandColumns(&dst[ColumnLen*at], &nulls[at], &pages[at], &columns[at], n, null, signed)
			at += n
			continue
		}
		nulls[at] = expandColumnSlowly((*[ColumnLen]uint64)(dst[ColumnLen*at:]), pages[at], columns[at], null, signed)
		at++
	}
}

// expandColumnSlowly is ExpandColumns for one page on any processor.
func expandColumnSlowly(dst *[ColumnLen]uint64, p Page, c *Column, null uint64, signed bool) (nulls uint16) {
	head := p.Word(c.Head)
	for i := range dst {
		x := c.Number(p.Word(c.At(uint64(i))>>3), head, uint64(i))
		if x == null {
			nulls |= 1 << i
		}
		if signed {
			x--
			x = x>>1 ^ -(x & 1)
		}
		dst[i] = x
	}
	return nulls
}

// Prefetch asks for the memory that ExpandColumns reads.
func Prefetch(pages []Page, columns []*Column) {
	if len(pages) > 0 {
		prefetchColumns(&pages[0], &columns[:len(pages)][0], len(pages))
	}
}
