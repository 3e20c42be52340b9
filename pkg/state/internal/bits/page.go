package bits

// zeros is as long as anybody reads of a page that there is not.
var zeros [512]byte

// Load returns the number at bit position pos of a page, whose bits mask has.
// One word holds all of it: the number has at most 57 bits, or 64 and begins at
// a byte. The caller guarantees that it lies within the page.
func (p Page) Load(pos, mask uint64) uint64 {
	return p.Word(pos>>3) >> (pos & 7) & mask
}
