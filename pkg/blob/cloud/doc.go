// Package cloud opens stores by where they are: a folder, or a bucket of S3,
// Google Cloud Storage or Azure. It is apart from pkg/blob, because the providers'
// clients are 50 MB of a program, of which 29 MB are in memory once it runs: an
// application that holds replicas and has its store in a folder links none of them.
//
// Read open.go and bucket.go in that order.
package cloud
