package cloud

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	gocloud "gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// ErrNotCreateOnly says that a bucket lets a key be written twice, so that
// nothing may be published into it.
var ErrNotCreateOnly = errors.New("the store does not create only")

// How long an operation on a bucket may take: a connection that neither works
// nor breaks must not hold anybody for ever.
const (
	timeout       = time.Minute
	slowest       = 256 << 10 // bytes a second, on top of it
	conflictTries = 6         // of a Put that met another one
)

// probeFolder holds what probe writes. It begins with a dot, so it is no key.
const probeFolder = ".holdfast-probe/"

// bucket is a blob.Store in a bucket. What the provider's client sends again after a
// lost answer can meet its own bytes: then Put returns blob.ErrExists although they
// are from this very call.
type bucket struct {
	name   string // the URL without its parameters
	prefix string // of all keys, with its slash; empty if there is none
	bucket *gocloud.Bucket

	mu     sync.Mutex
	proven bool // the bucket is known to create only
}

var (
	_ blob.Store        = (*bucket)(nil)
	_ blob.Streamer     = (*bucket)(nil)
	_ blob.Foldered     = (*bucket)(nil)
	_ blob.Sequel       = (*bucket)(nil)
	_ blob.CappedGetter = (*bucket)(nil)
)

// openBucket opens the bucket at u, in which keys begin with u's path.
func openBucket(ctx context.Context, u *url.URL) (*bucket, error) {
	bare := *u
	bare.Path, bare.RawPath = "", ""
	prefix := strings.Trim(u.Path, "/")
	name := strings.TrimSuffix(u.Scheme+"://"+u.Host+"/"+prefix, "/")
	if prefix != "" {
		if err := blob.CheckKey(prefix); err != nil {
			return nil, fmt.Errorf("open store %s: prefix: %w", name, err)
		}
	}
	opened, err := gocloud.OpenBucket(ctx, bare.String())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", name, maskedURL{masked(err), bare.String()})
	}
	if prefix != "" {
		prefix += "/"
		opened = gocloud.PrefixedBucket(opened, prefix)
	}
	return &bucket{name: name, prefix: prefix, bucket: opened}, nil
}

// Put implements blob.Store.
func (s *bucket) Put(ctx context.Context, key string, data []byte) error {
	if err := blob.CheckKey(key); err != nil {
		return fmt.Errorf("put: %w: %w", blob.ErrNotWritten, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, err)
	}
	if err := blob.CheckSize(key, int64(len(data)), blob.MaxSize(key)); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, err)
	}
	if err := s.probe(ctx); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, err)
	}
	if err := s.create(ctx, key, data); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// create writes key if it is absent. Any error but blob.ErrExists leaves the outcome
// unknown: an attempt whose answer was lost may have written.
func (s *bucket) create(ctx context.Context, key string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeFor(int64(len(data))))
	defer cancel()
	pause := 10 * time.Millisecond
	for try := 1; ; try++ {
		err := s.write(ctx, key, data)
		if gcerrors.Code(err) == gcerrors.FailedPrecondition {
			return blob.ErrExists
		}
		if err == nil || !isConflict(err) || try == conflictTries {
			return explained(ctx, err)
		}
		// Another create of the key is under way. It may still fail.
		select {
		case <-ctx.Done():
			return explained(ctx, err)
		case <-time.After(pause):
			pause *= 4
		}
	}
}

// write sends data once. What is interrupted is not visible: the bytes appear
// with the last request, or not at all.
func (s *bucket) write(ctx context.Context, key string, data []byte) error {
	ctx, abort := context.WithCancel(ctx) // a Close after it writes nothing
	defer abort()
	w, err := s.bucket.NewWriter(ctx, key, &gocloud.WriterOptions{
		ContentType: "application/octet-stream", DisableContentTypeDetection: true, IfNotExist: true,
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		abort()
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

// isConflict says whether S3 has refused a create because another one of the
// same key is under way.
func isConflict(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) && coded.ErrorCode() == "ConditionalRequestConflict"
}

// Get implements blob.Store.
func (s *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	return s.GetAtMost(ctx, key, blob.MaxSize(key))
}

// GetAtMost implements blob.CappedGetter.
func (s *bucket) GetAtMost(ctx context.Context, key string, most int64) ([]byte, error) {
	if err := s.ready(ctx, key); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	b, err := s.read(ctx, key, most)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return b, nil
}

func (s *bucket) read(ctx context.Context, key string, most int64) ([]byte, error) {
	r, err := s.open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := blob.CheckSize(key, r.Size(), most); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		return nil, err
	}
	if int64(b.Len()) != r.Size() {
		return nil, fmt.Errorf("the store sent %d of %d bytes: %w", b.Len(), r.Size(), io.ErrUnexpectedEOF)
	}
	return append([]byte{}, b.Bytes()...), nil
}

// Stream implements blob.Streamer.
func (s *bucket) Stream(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if err := s.ready(ctx, key); err != nil {
		return nil, 0, fmt.Errorf("get: %w", err)
	}
	r, err := s.open(ctx, key)
	if err != nil {
		return nil, 0, fmt.Errorf("get %s: %w", key, err)
	}
	return r, r.Size(), nil
}

// open returns a reader that gives up after the time for the object's size.
func (s *bucket) open(ctx context.Context, key string) (*timedReader, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &timedReader{ctx: ctx, cancel: cancel}
	t.watch = time.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	var err error
	if t.Reader, err = s.bucket.NewReader(ctx, key, nil); err != nil {
		err = explained(ctx, err)
		t.stop()
		return nil, err
	}
	t.watch.Reset(timeFor(t.Size()))
	return t, nil
}

// timedReader is a reader of an object with a limit of time.
type timedReader struct {
	*gocloud.Reader
	ctx    context.Context // of the reader: it says why it failed
	cancel context.CancelCauseFunc
	watch  *time.Timer
}

func (t *timedReader) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader has it
		err = explained(t.ctx, err)
	}
	return n, err
}

func (t *timedReader) Close() error {
	defer t.stop()
	return t.Reader.Close()
}

func (t *timedReader) stop() {
	t.watch.Stop()
	t.cancel(nil)
}

// Stat implements blob.Store.
func (s *bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := s.ready(ctx, key); err != nil {
		return blob.Info{}, fmt.Errorf("stat: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a, err := s.bucket.Attributes(ctx, key)
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", key, explained(ctx, err))
	}
	return blob.Info{Key: key, Size: a.Size, Modified: a.ModTime}, nil
}

// List implements blob.Store.
func (s *bucket) List(ctx context.Context, prefix string) ([]blob.Info, error) {
	if err := blob.CheckPrefix(prefix); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var out []blob.Info
	err := s.each(ctx, gocloud.ListOptions{Prefix: prefix}, func(o *gocloud.ListObject) {
		if !o.IsDir && blob.CheckKey(o.Key) == nil {
			out = append(out, blob.Info{Key: o.Key, Size: o.Size, Modified: o.ModTime})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	slices.SortFunc(out, func(a, b blob.Info) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

// each calls f with what a listing yields.
func (s *bucket) each(ctx context.Context, o gocloud.ListOptions, f func(*gocloud.ListObject)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	defer watch.Stop()
	for list := s.bucket.List(&o); ; {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explained(ctx, err)
		}
		watch.Reset(timeout)
		f(object)
	}
}

// KeysAfter implements blob.Sequel. S3 begins its listing behind the key; elsewhere the
// keys before it are passed over here.
func (s *bucket) KeysAfter(ctx context.Context, prefix, key string) ([]string, error) {
	var out []string
	o := gocloud.ListOptions{Prefix: prefix, BeforeList: func(as func(any) bool) error {
		var in *s3.ListObjectsV2Input
		if as(&in) {
			in.StartAfter = aws.String(s.prefix + key)
		}
		return nil
	}}
	err := s.each(ctx, o, func(o *gocloud.ListObject) {
		if o.Key > key && blob.CheckKey(o.Key) == nil {
			out = append(out, o.Key)
		}
	})
	slices.Sort(out)
	return out, err
}

// Folders implements blob.Foldered: it returns the first segments of the keys, sorted.
func (s *bucket) Folders(ctx context.Context) ([]string, error) {
	var out []string
	err := s.each(ctx, gocloud.ListOptions{Delimiter: "/"}, func(o *gocloud.ListObject) {
		if name := strings.TrimSuffix(o.Key, "/"); o.IsDir && blob.CheckKey(name) == nil {
			out = append(out, name)
		}
	})
	slices.Sort(out)
	return out, err
}

// Delete implements blob.Store.
func (s *bucket) Delete(ctx context.Context, key string) error {
	if err := s.ready(ctx, key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := explained(ctx, s.bucket.Delete(ctx, key)); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (s *bucket) ready(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// probe makes sure, once, that of two creates exactly one wins, whether they
// meet or follow each other. What it leaves if it may not delete is tiny, and
// no key.
func (s *bucket) probe(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proven {
		return nil
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	key := probeFolder + hex.EncodeToString(id[:])
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		_ = s.bucket.Delete(ctx, key) // nobody reads it
	}()
	values := []string{"first", "second", "third"}
	var errs [3]error
	var wait sync.WaitGroup
	for i := range 2 {
		wait.Go(func() { errs[i] = s.create(ctx, key, []byte(values[i])) })
	}
	wait.Wait()
	errs[2] = s.create(ctx, key, []byte(values[2]))
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			return fmt.Errorf("%w: a key was created twice, so two producers could overwrite each other; it needs conditional writes (If-None-Match)", ErrNotCreateOnly)
		case err == nil:
			won = i
		case !errors.Is(err, blob.ErrExists):
			return fmt.Errorf("try a create: %w", err)
		}
	}
	if won < 0 {
		return fmt.Errorf("try a create: no one of three won: %w", errs[0])
	}
	if got, err := s.read(ctx, key, blob.MaxFile); err != nil || string(got) != values[won] {
		return fmt.Errorf("%w: the create that won wrote %q, but %q is there (error %w)", ErrNotCreateOnly, values[won], got, err)
	}
	s.proven = true
	return nil
}

// timeFor is how long it may take to move size bytes.
func timeFor(size int64) time.Duration {
	return timeout + time.Duration(max(size, 0)/slowest)*time.Second
}

// explained returns err, without secrets, as this package's error, and with
// the reason why ctx has ended.
func explained(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if gcerrors.Code(err) == gcerrors.NotFound && !isElsewhere(err) {
		return blob.ErrNotFound
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, masked(err))
	}
	return masked(err)
}

// isElsewhere says whether a driver's "not found" is not about the key: nobody
// may take a missing bucket or host for an empty store.
func isElsewhere(err error) bool {
	text := err.Error()
	return slices.ContainsFunc([]string{"NoSuchBucket", "ContainerNotFound", "no such host", "StatusCode: 301"}, func(s string) bool {
		return strings.Contains(text, s)
	})
}

// secret finds what signs a request in a URL.
var secret = regexp.MustCompile(`(?i)((?:sig|signature|credential|security-token|access_token|x-amz-[a-z-]+|x-goog-[a-z-]+)=)[^&\s"']+`)

// maskedError is an error whose text shows no signature.
type maskedError struct{ error }

func (e maskedError) Error() string { return secret.ReplaceAllString(e.error.Error(), "${1}…") }
func (e maskedError) Unwrap() error { return e.error }

// maskedURL is an error of a driver whose text shows the store's URL as people
// may see it.
type maskedURL struct {
	error
	url string
}

func (e maskedURL) Error() string { return strings.ReplaceAll(e.error.Error(), e.url, Shown(e.url)) }
func (e maskedURL) Unwrap() error { return e.error }

func masked(err error) error {
	if err == nil {
		return nil
	}
	return maskedError{err}
}
