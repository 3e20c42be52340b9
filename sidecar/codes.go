package sidecar

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/index"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// Why a call fails, besides the errors of the packages below.
var (
	errAbsent      = errors.New("no record has this key")
	errNoDataset   = errors.New("dataset is not served here")
	errNotLoaded   = errors.New("dataset is not loaded yet")
	errNoSchema    = errors.New("dataset cannot be encoded")
	errNotReadable = errors.New("version cannot be loaded now")
	errTooStale    = errors.New("data is too old")
	errBehind      = errors.New("version is not reached yet")
	errMetadata    = errors.New("bad request metadata")
	errMalformed   = errors.New("request is malformed")
	errLimit       = errors.New("limit exceeded")
	errRate        = errors.New("too many look-ups a second")
	errTooSlow     = errors.New("answer is not read")
	errListed      = errors.New("too many versions are being listed")
	errUnfinished  = errors.New("request does not arrive")
	errUnsupported = errors.New("not supported by this release")
	errPanic       = errors.New("internal error")
)

// errorDomain is the domain of the ErrorInfo in each status.
const errorDomain = "holdfast"

// failures says which gRPC code and which reason a cause has. The first one
// that fits counts.
var failures = []struct {
	cause  error
	code   codes.Code
	reason string
}{
	{errAbsent, codes.NotFound, "RECORD_NOT_FOUND"},
	{errNoDataset, codes.NotFound, "DATASET_NOT_FOUND"},
	{replica.ErrNoVersion, codes.NotFound, "VERSION_NOT_FOUND"},
	{replica.ErrNoSession, codes.NotFound, "SESSION_NOT_FOUND"},
	{replica.ErrNotInSession, codes.FailedPrecondition, "NOT_IN_SESSION"},
	{replica.ErrSessionLimit, codes.ResourceExhausted, "SESSION_LIMIT"},
	{errNotLoaded, codes.Unavailable, "DATASET_NOT_LOADED"},
	{replica.ErrEmpty, codes.Unavailable, "DATASET_NOT_LOADED"},
	{errNoSchema, codes.FailedPrecondition, "DATASET_NOT_ENCODABLE"},
	{errTooStale, codes.FailedPrecondition, "TOO_STALE"},
	{errBehind, codes.FailedPrecondition, "VERSION_NOT_REACHED"},
	{errMetadata, codes.InvalidArgument, "BAD_METADATA"},
	{errMalformed, codes.InvalidArgument, "MALFORMED_REQUEST"},
	{protomap.ErrBadKey, codes.InvalidArgument, "BAD_KEY"},
	{index.ErrKey, codes.InvalidArgument, "BAD_KEY"},
	{diff.ErrKeysDiffer, codes.InvalidArgument, "KEYS_DIFFER"},
	{diff.ErrRootsDiffer, codes.InvalidArgument, "ROOTS_DIFFER"},
	{diff.ErrNoRoot, codes.FailedPrecondition, "NO_ROOT_TYPE"},
	{diff.ErrTooMany, codes.ResourceExhausted, "TOO_MANY_DIFFERENCES"},
	{errLimit, codes.ResourceExhausted, "LIMIT"},
	{errRate, codes.ResourceExhausted, "RATE"},
	{errTooSlow, codes.ResourceExhausted, "TOO_SLOW"},
	{errListed, codes.ResourceExhausted, "TOO_SLOW"},
	{errUnfinished, codes.ResourceExhausted, "TOO_SLOW"},
	{protomap.ErrTooLarge, codes.ResourceExhausted, "RECORD_TOO_LARGE"},
	{protomap.ErrTooDeep, codes.ResourceExhausted, "RECORD_TOO_DEEP"},
	{state.ErrIllFormed, codes.DataLoss, "ILL_FORMED_STRING"},
	{protomap.ErrMismatch, codes.DataLoss, "RECORD_DOES_NOT_FIT"},
	{errUnsupported, codes.Unimplemented, "UNSUPPORTED"},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE"},
	{context.Canceled, codes.Canceled, "CANCELED"},
	{errNotReadable, codes.Unavailable, "VERSION_NOT_READABLE"},
	{errPanic, codes.Internal, "INTERNAL"},
}

// limitOf says which limit an error of pkg/state/protomap is about, which does not
// know where it is set.
var limitOf = map[string]string{"RECORD_TOO_LARGE": "limits.max_answer_bytes", "RECORD_TOO_DEEP": "limits.max_depth"}

// toStatus gives an error its gRPC code, with an ErrorInfo for programs. Errors
// that have one, such as the transport's, keep it.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	code, reason := codes.Internal, "INTERNAL"
	for _, f := range failures {
		if errors.Is(err, f.cause) {
			code, reason = f.code, f.reason
			break
		}
	}
	text := err.Error()
	if key := limitOf[reason]; key != "" {
		text += " (" + key + ")"
	}
	s := status.New(code, text)
	if detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain}); err == nil {
		s = detailed
	}
	return s.Err()
}

// malformed is an error of receiving a request as the caller's mistake: gRPC has
// the code of a fault of the server for bytes that are cut short or that do not
// decompress. It has sent that code by then, so this one is for the log.
func malformed(err error) error {
	if status.Code(err) != codes.Internal {
		return err
	}
	return toStatus(fmt.Errorf("%w: %s", errMalformed, status.Convert(err).Message()))
}
