//go:build !amd64 || invariants

package bits

import (
	"unsafe"

	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

const hasVectors = false

func canExpand(int) bool { return false }

type lanes struct{}

var lanesOf [1]lanes

func expand(*[ColumnLen]uint64, *byte, *lanes, int, *Expansion) {}

func expandColumns(*uint64, *uint16, *Page, **Column, int, uint64, bool) {}

func prefetchColumns(pages *Page, columns **Column, n int) {
	list := unsafe.Slice(columns, n)
	for i, p := range unsafe.Slice(pages, n) {
		prefetch.Range(p.Byte(list[i].Head), 0, list[i].Bytes())
	}
}
