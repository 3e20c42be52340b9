package sidecar

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-data/holdfast/internal/daemon"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// recordPath is where the admin server answers look-ups for people with curl:
// one ?key= per key field, in order, and perhaps ?version=.
const recordPath = "GET /datasets/{dataset}/record"

// record answers a look-up over HTTP. It is the generic Get: metadata comes and
// goes as HTTP headers of the same names.
func (s *Sidecar) record(w http.ResponseWriter, r *http.Request) {
	md := metadata.MD{}
	for _, key := range []string{keyVersion, keyMinVersion, keyMaxStaleness, keySession} {
		if values := r.Header.Values(key); len(values) > 0 {
			md[key] = values
		}
	}
	from := s.callers.remote(r.RemoteAddr)
	made := &claim{gate: s.gate, of: from}
	defer made.close()
	ctx := grpc.NewContextWithServerTransportStream(
		metadata.NewIncomingContext(withMisnamed(withClaim(r.Context(), made), r.Header), md), headers{w.Header()})
	query, err := recordQuery(r.URL.RawQuery)
	if err != nil {
		writeError(w, toStatus(err))
		return
	}
	answer, err := (&generic{s: s}).Get(ctx, &holdfastv1.GetRequest{
		Dataset: r.PathValue("dataset"), Version: query.Get("version"), Key: query["key"],
	})
	if err != nil {
		writeError(w, err)
		return
	}
	text := []byte(answer.GetRecord().GetJson() + "\n")
	made.made()
	if !from.reserve(cost(&text)) {
		writeError(w, s.gate.noRoom(from, cost(&text)))
		return
	}
	defer from.release(cost(&text))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // an error means that the client is gone
}

// recordQuery reads the parameters of a look-up. One that is misspelt would
// mean another record, or another version of it.
func recordQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "key" && name != "version" {
			return nil, fmt.Errorf("%w: there is no parameter %q: they are key, one for each field of the key, and version", errMalformed, name)
		}
	}
	if query.Has("version") && query.Get("version") == "" {
		return nil, fmt.Errorf("%w: the parameter version is empty: leave it away for the newest one", errMalformed)
	}
	if len(query["version"]) > 1 {
		return nil, fmt.Errorf("%w: the parameter version is given %d times", errMalformed, len(query["version"]))
	}
	return query, nil
}

// headers puts a call's header metadata into an HTTP answer.
type headers struct{ to http.Header }

var _ grpc.ServerTransportStream = headers{}

func (headers) Method() string { return holdfastv1.Lookup_Get_FullMethodName }

func (h headers) SetHeader(md metadata.MD) error {
	for key, values := range md {
		h.to.Set(key, strings.Join(values, ","))
	}
	return nil
}

func (h headers) SendHeader(md metadata.MD) error { return h.SetHeader(md) }

func (headers) SetTrailer(metadata.MD) error { return errors.New("there are no trailers") }

// httpCodes are the HTTP codes of gRPC codes; all others are 500.
var httpCodes = map[codes.Code]int{
	codes.NotFound: http.StatusNotFound, codes.InvalidArgument: http.StatusBadRequest,
	codes.Unavailable: http.StatusServiceUnavailable, codes.FailedPrecondition: http.StatusPreconditionFailed,
	codes.ResourceExhausted: http.StatusTooManyRequests, codes.Unimplemented: http.StatusNotImplemented,
	codes.DeadlineExceeded: http.StatusGatewayTimeout,
}

func writeError(w http.ResponseWriter, err error) {
	st, _ := status.FromError(err)
	body := struct {
		Code    string `json:"code"`
		Reason  string `json:"reason,omitempty"`
		Message string `json:"message"`
	}{Code: st.Code().String(), Message: st.Message()}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			body.Reason = info.GetReason()
		}
	}
	code := httpCodes[st.Code()]
	if code == 0 {
		code = http.StatusInternalServerError
	}
	daemon.WriteJSON(w, code, body)
}

// newAdmin returns the admin server with look-ups beside what each has.
func (s *Sidecar) newAdmin() *daemon.Admin {
	a := daemon.NewAdmin(daemon.AdminConfig{
		Logger: s.log, Gatherer: s.options.Registry, Ready: s.readyFor,
		Status: func(*http.Request) any { return s.Status() },
		Around: s.gateHTTP,
	})
	a.Handle(recordPath, http.HandlerFunc(s.record))
	return a
}
