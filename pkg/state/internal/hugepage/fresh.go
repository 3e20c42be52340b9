package hugepage

import (
	"time"
	"unsafe"
)

// Fresh lays memory in huge pages before anybody writes to it: the system makes
// one of them for 512 small ones, each of which would stop who writes to it first.
// The zero Fresh has asked for none.
type Fresh struct {
	last  uintptr // the huge page asked for before
	asked int
	spent time.Duration
	no    bool // the system has none to give
}

// patience is how long a huge page may take, which the small ones in its place
// take, too; some may take longer. Where free memory is in pieces, the system
// moves others' together first.
const patience = time.Millisecond

// Lay asks for the huge pages that the memory of b begins or goes on in. b is zeros,
// and will fill them together with what is allocated next.
func (f *Fresh) Lay(b []byte) {
	if len(b) == 0 || f.no {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for page := from &^ (Bytes - 1); page < from+uintptr(len(b)); page += Bytes {
		if page == f.last {
			continue
		}
		f.last = page
		i := max(page, from) - from
		b[i] = 0 // the system lays together what there is, be it one small page
		if f.ask(page); f.no {
			return
		}
	}
}

// ask asks for one huge page.
func (f *Fresh) ask(page uintptr) {
	start := time.Now()
	err := collapse(page)
	f.asked++
	f.spent += time.Since(start)
	f.no = err != nil || f.spent > time.Duration(8+f.asked)*patience
}
