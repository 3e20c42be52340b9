// Command freshness measures whole processes on a folder store: how long a
// published version takes until it can be looked up, what sidecars do when
// their store is restored from an older copy, and whether the memory of a
// producer and a sidecar stays flat over thousands of versions. It writes
// freshness.json and prints a table. Linux only: it reads /proc.
//
// Read main.go, process.go (what is started), lag.go, restore.go and soak.go in
// that order.
package main
