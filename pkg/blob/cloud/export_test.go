package cloud

import (
	gocloud "gocloud.dev/blob"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// InBucket returns the store in a bucket that a test has opened.
func InBucket(b *gocloud.Bucket) blob.Store { return &bucket{name: "test", bucket: b} }
