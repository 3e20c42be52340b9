// Package producer turns sources into versions of a dataset.
//
// [Publish] runs one full cycle: the whole source is read, and what it lacks is
// removed. A source that is cut short, says something twice or says what the
// dataset cannot hold is refused as a whole, with the place named, so that the
// last good version stays (guarantee G6).
//
// Read producer.go, source_file.go and lines.go in that order.
package producer
