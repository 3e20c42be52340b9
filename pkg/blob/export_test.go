package blob

import "gocloud.dev/blob"

// InBucket returns the Store in a bucket that a test has opened.
func InBucket(b *blob.Bucket) Store { return &cloud{name: "test", bucket: b} }
