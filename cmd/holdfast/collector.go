package main

import (
	"os"
	"runtime/debug"
)

// sidecarGC is the share of the live heap, in per cent, that a sidecar lets the
// heap grow by between two collections. Its heap is nearly all pages, which the
// collector does not look into and which live long, so that a collection is
// cheap and a reserve as large as the data, the default, is a waste.
// docs/adr/0007 has figures.
const sidecarGC = 25

// tuneCollector sets what a sidecar needs, unless somebody has set it.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(sidecarGC)
	}
}
