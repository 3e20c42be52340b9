package cloud

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// Open opens the store at a location to read it: a folder, as a path or as
// file:///PATH, which must exist; or a bucket, with or without a prefix, as
// s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azblob://CONTAINER/PREFIX. The
// parameters of such a URL are those of gocloud.dev's drivers, for example
// ?region=…&endpoint=…&use_path_style=true for S3. Credentials come from the
// environment, where each provider's own tools look for them; a URL that holds
// any is refused.
//
// A bucket is not touched before the first operation, and a reader of it needs
// no right to write. The first Put makes sure, as Create does, that the bucket
// creates only.
func Open(ctx context.Context, location string) (blob.Store, error) {
	u, err := parseLocation(location)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if u.Scheme == schemeFile {
		return blob.OpenDir(u.Path)
	}
	return openBucket(ctx, u)
}

// OpenLater is Open, but it is no error that a folder is missing: whoever uses
// it gets one until it is there.
func OpenLater(ctx context.Context, location string) (blob.Store, error) {
	u, err := parseLocation(location)
	if err == nil && u.Scheme == schemeFile {
		return blob.LaterDir(u.Path), nil
	}
	return Open(ctx, location)
}

// Create opens the store at a location to write to it. A missing folder is
// made; a bucket must exist, and is tried: of two creates of one key exactly
// one must win, else Create fails with ErrNotCreateOnly.
func Create(ctx context.Context, location string) (blob.Store, error) {
	u, err := parseLocation(location)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	if u.Scheme == schemeFile {
		return blob.CreateDir(u.Path)
	}
	c, err := openBucket(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := c.probe(ctx); err != nil {
		return nil, fmt.Errorf("create store %s: %w", c.name, err)
	}
	return c, nil
}

// schemeFile is the scheme of folders; a plain path has it, too.
const schemeFile = "file"

// scheme is how a URL begins. One letter is not enough for any that we know.
var scheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]+://`)

// parseLocation returns the URL of a store. Its errors do not show what may be
// a secret.
func parseLocation(location string) (*url.URL, error) {
	if location == "" {
		return nil, fmt.Errorf("name a folder or a URL")
	}
	if !scheme.MatchString(location) {
		path, err := filepath.Abs(location)
		return &url.URL{Scheme: schemeFile, Path: path}, err
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%s…: it is not a URL", scheme.FindString(location))
	}
	name := u.Scheme + "://" + u.Host
	if u.User != nil || splitSecret(u) || hasUser(u.Query().Get("endpoint")) {
		return nil, fmt.Errorf("%s://…: the URL holds credentials: leave them to the environment, so that they are in no log", u.Scheme)
	}
	switch u.Scheme {
	case schemeFile:
		if u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%s: use file:///PATH, or the path alone", name)
		}
		return u, nil
	case "s3", "gs", "azblob":
		if u.Host == "" {
			return nil, fmt.Errorf("%s: it names no bucket", name)
		}
		return u, nil
	case "mem":
		return nil, fmt.Errorf("%s: a store in memory lives in one process only: use a folder", name)
	}
	return nil, fmt.Errorf("%s: scheme %q is unknown: use a folder, s3://, gs:// or azblob://", name, u.Scheme)
}

// splitSecret says whether what should name a bucket is the beginning of
// credentials: a slash in a secret ends the host before its @. No bucket has a
// colon in its name.
func splitSecret(u *url.URL) bool {
	bucket := u.Scheme == "s3" || u.Scheme == "gs" || u.Scheme == "azblob"
	return strings.Contains(u.Host, ":") && (bucket || strings.Contains(u.Path, "@"))
}

func hasUser(text string) bool {
	u, err := url.Parse(text)
	return err != nil || u.User != nil
}

// Check says what Open would find wrong with a location before it looks at any
// store. Its errors do not show what may be a secret.
func Check(location string) error {
	if _, err := parseLocation(location); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// harmless are the parameters of URLs whose values may be shown: what drivers
// know. Any other may be a secret that somebody thought they would take.
var harmless = []string{
	"accelerate", "anonymous", "awssdk", "cdn", "disable_https", "domain", "dualstack", "endpoint", "fips", "grpc", "hostname_immutable",
	"kmskeyid", "localemu", "private_key_path", "profile", "protocol", "rate_limiter_capacity", "region", "request_checksum_calculation",
	"response_checksum_validation", "role", "s3ForcePathStyle", "ssetype", "storage_account", "universe_domain", "use_path_style", "zonal",
}

// Shown returns a location as people may see it, in logs and answers: without
// what may be a secret. Of one that Open refuses it may be little more than the
// scheme.
func Shown(location string) string {
	if !scheme.MatchString(location) {
		return location
	}
	u, err := url.Parse(location)
	if err != nil || splitSecret(u) {
		return scheme.FindString(location) + hidden
	}
	host, path, fragment := u.Host, u.Path, ""
	if u.User != nil {
		host = hidden + "@" + host
	}
	if u.Fragment != "" {
		fragment = "#" + hidden
	}
	var query []string
	if u.RawQuery != "" {
		for pair := range strings.SplitSeq(u.RawQuery, "&") {
			query = append(query, shownParameter(pair))
		}
		path += "?"
	}
	return u.Scheme + "://" + host + path + strings.Join(query, "&") + fragment
}

// hidden takes the place of what may be a secret.
const hidden = "********"

// shownParameter is Shown of NAME=VALUE in a URL.
func shownParameter(pair string) string {
	name, value, given := strings.Cut(pair, "=")
	plain, err := url.QueryUnescape(value)
	switch {
	case !given && !slices.Contains(harmless, name):
		return hidden
	case given && (err != nil || !slices.Contains(harmless, name) || hasUser(plain)):
		return name + "=" + hidden
	}
	return pair
}

// IsURL says whether a location is the URL of a bucket rather than a folder.
func IsURL(location string) bool {
	return scheme.MatchString(location) && !strings.HasPrefix(strings.ToLower(location), schemeFile+"://")
}

// Identity returns what tells the store at a location from others, to be compared
// and kept: of a folder its whole path, however it is written, else what Shown
// returns.
func Identity(location string) string {
	if path, ok := Folder(location); ok {
		return filepath.Clean(path)
	}
	return Shown(location)
}

// Folder returns the folder that a location names, as Open takes it; false if
// it is that of a bucket, or none.
func Folder(location string) (path string, ok bool) {
	u, err := parseLocation(location)
	if err != nil || u.Scheme != schemeFile {
		return "", false
	}
	return u.Path, true
}
