package sidecar

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/tap"

	"github.com/holdfast-data/holdfast/internal/daemon"
)

// keyPrefix begins the names of the metadata that is ours, and of no other.
const keyPrefix = "holdfast-"

// What follows the prefix in the names of requests, and of answers. Whoever
// hands on the whole header of an answer, so that others read the same version,
// sends the latter too: they say nothing.
var (
	requestNames = namesOf(keyVersion, keyMinVersion, keyMaxStaleness, keySession)
	answerNames  = namesOf(keyAnnounced, keyAge, keyState, keyLeftOut)
)

func namesOf(keys ...string) []string {
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, keyPrefix)
	}
	return keys
}

// longestName is how long a name is that is looked for among the known ones.
const longestName = 64

// misnamed returns the first name of a header that begins as ours do and is none
// of them, nothing if there is none.
func misnamed(header map[string][]string) (first string) {
	for name := range header {
		if len(name) < len(keyPrefix) || !strings.EqualFold(name[:len(keyPrefix)], keyPrefix) {
			continue
		}
		name = strings.ToLower(name)
		rest := name[len(keyPrefix):]
		if slices.Contains(requestNames, rest) || slices.Contains(answerNames, rest) {
			continue
		}
		if first == "" || name < first {
			first = name
		}
	}
	return first
}

type misnamedKey struct{}

// withMisnamed notes in the context of a call what is misnamed in its header, for
// readWanted to refuse it.
func withMisnamed(ctx context.Context, header map[string][]string) context.Context {
	if name := misnamed(header); name != "" {
		return context.WithValue(ctx, misnamedKey{}, name)
	}
	return ctx
}

// tapHeader looks at the header of a call while it is at hand: all of it cannot
// be had later without a copy, which is more than all else that a look-up
// allocates.
func tapHeader(ctx context.Context, info *tap.Info) (context.Context, error) {
	return withMisnamed(ctx, info.Header), nil
}

// checkNames refuses metadata that is misnamed: what the call asks for would not
// be heeded, and nobody would see it.
func checkNames(ctx context.Context) error {
	name, ok := ctx.Value(misnamedKey{}).(string)
	if !ok {
		return nil
	}
	near := ""
	if len(name) <= longestName {
		near = daemon.Nearest(strings.TrimPrefix(name, keyPrefix), requestNames)
	}
	if near != "" {
		return fmt.Errorf("%w: there is no metadata %q: did you mean %s?", errMetadata, name, keyPrefix+near)
	}
	return fmt.Errorf("%w: there is no metadata %.64q: they are %s, %s, %s and %s",
		errMetadata, name, keyVersion, keyMinVersion, keyMaxStaleness, keySession)
}
