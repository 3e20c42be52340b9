package mapped

import (
	"errors"
	"runtime/debug"
	"unsafe"
)

// ErrFault says that a file could not be read where it is mapped: somebody cut it, or
// its disk failed.
var ErrFault = errors.New("its file was cut, or its disk failed, while it was read")

// Guard runs f, which reads a mapped file, and returns ErrFault where that fails. It
// does so for this goroutine only: each that f begins needs a Guard of its own.
func Guard(data []byte, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
			return
		case interface{ Addr() uintptr }: // a fault
			if from := uintptr(unsafe.Pointer(unsafe.SliceData(data))); r.Addr()-from < uintptr(len(data)) {
				err = ErrFault
				return
			}
			panic(r)
		default:
			panic(r)
		}
	}()
	return f()
}
