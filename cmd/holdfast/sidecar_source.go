package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// maxAnswer is the size of an answer that a command takes, in bytes.
const maxAnswer = 1 << 30

// askTimeout bounds a command's calls.
const askTimeout = 30 * time.Second

// sidecarSource asks a sidecar.
type sidecarSource struct {
	address string
	lookup  holdfastv1.LookupClient
}

// dialSidecar returns a source for a sidecar's address. It does not connect yet.
func dialSidecar(address string) (source, func(), error) {
	if err := checkAddress(address); err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, nil, fmt.Errorf("dial sidecar: %w", err)
	}
	s := &sidecarSource{address, holdfastv1.NewLookupClient(conn)}
	return s, func() { _ = conn.Close() }, nil
}

// checkAddress refuses what gRPC would take for something else.
func checkAddress(address string) error {
	path, unix := strings.CutPrefix(address, "unix:")
	host, port, err := net.SplitHostPort(address)
	if unix && path != "" || !unix && err == nil && port != "" && !strings.Contains(host, "/") {
		return nil
	}
	return fmt.Errorf("address %q is neither host:port, such as 127.0.0.1:7510, nor unix:PATH; it is the address of look-ups, not of the admin server", address)
}

// failed words an error of a call.
func (s *sidecarSource) failed(err error) error {
	if status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "looked like an HTTP/1.1 header") {
		return fmt.Errorf("what answers at %s speaks HTTP, not gRPC: is it the admin server of a sidecar? Look-ups have an address of their own, %s by default", s.address, lookups)
	}
	if status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "connection error") {
		return fmt.Errorf("no sidecar answers at %s: start one with \"holdfast run\", or name a store with --store", s.address)
	}
	return fmt.Errorf("sidecar at %s: %s", s.address, dataset.Printable(status.Convert(err).Message()))
}

// reason returns the reason that the error of a call has, "" if it has none.
func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// failedFor words an error of a call about datasets. If one of them is not
// served, it says what is.
func (s *sidecarSource) failedFor(ctx context.Context, err error, names ...dataset.Name) error {
	if reason(err) != "DATASET_NOT_FOUND" {
		return s.failed(err)
	}
	infos, listErr := s.lookup.Datasets(ctx, &holdfastv1.DatasetsRequest{})
	if listErr != nil {
		return s.failed(err)
	}
	var served []string
	for _, d := range infos.GetDatasets() {
		served = append(served, d.GetName())
	}
	for _, n := range names {
		if !slices.Contains(served, string(n)) {
			return fmt.Errorf("%w: %s", s.failed(err), meant(string(n), served))
		}
	}
	return s.failed(err)
}

func (s *sidecarSource) Datasets(ctx context.Context) ([]datasetInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stats, err := s.lookup.Status(ctx, &holdfastv1.StatusRequest{})
	if err != nil {
		return nil, s.failed(err)
	}
	infos, err := s.lookup.Datasets(ctx, &holdfastv1.DatasetsRequest{})
	if err != nil {
		return nil, s.failed(err)
	}
	roots := map[string]*holdfastv1.DatasetInfo{}
	for _, d := range infos.GetDatasets() {
		roots[d.GetName()] = d
	}
	out := []datasetInfo{}
	for _, d := range stats.GetDatasets() {
		info := datasetInfo{
			Dataset: dataset.Name(d.GetName()), AgeMS: d.GetAgeMs(), State: d.GetState(), Error: d.GetError(), Pending: d.GetPendingDeclaration(),
			Records: int(d.GetRecords()), Root: roots[d.GetName()].GetRoot(), Key: roots[d.GetName()].GetKey(),
		}
		if info.Version, err = version(d.GetVersion()); err != nil {
			return nil, err
		}
		if info.Announced, err = version(d.GetAnnounced()); err != nil {
			return nil, err
		}
		if info.Pinned, err = version(d.GetPinned()); err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

// version reads a version that may be empty.
func version(text string) (v dataset.Version, err error) {
	err = v.UnmarshalText([]byte(text))
	return v, err
}

func (s *sidecarSource) Get(ctx context.Context, t target, key []string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err := s.lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: string(t.name), Version: versionText(t.version), Key: key})
	if reason(err) == "RECORD_NOT_FOUND" {
		return nil, nil
	}
	if err != nil {
		return nil, s.failedFor(ctx, err, t.name)
	}
	return json.RawMessage(out.GetRecord().GetJson()), nil
}

func versionText(v dataset.Version) string {
	if v == dataset.None {
		return ""
	}
	return v.String()
}

func (s *sidecarSource) Versions(ctx context.Context, n dataset.Name) ([]versionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := s.lookup.Versions(ctx, &holdfastv1.VersionsRequest{Dataset: string(n)})
	if err != nil {
		return nil, s.failedFor(ctx, err, n)
	}
	stats, err := s.lookup.Status(ctx, &holdfastv1.StatusRequest{})
	if err != nil {
		return nil, s.failed(err)
	}
	pinned := ""
	for _, d := range stats.GetDatasets() {
		if d.GetName() == string(n) {
			pinned = d.GetPinned()
		}
	}
	out := []versionInfo{}
	for _, v := range list.GetVersions() {
		if v.GetChecksum() == "" {
			gone, err := version(v.GetVersion())
			if err != nil {
				return nil, err
			}
			out = append(out, versionInfo{Version: gone, Lost: "its manifest is gone or damaged"})
			continue
		}
		info := versionInfo{Created: timeText(v.GetCreated().AsTime()), Records: int(v.GetRecords()), Pinned: pinned != "" && v.GetVersion() == pinned}
		if info.Version, err = version(v.GetVersion()); err != nil {
			return nil, err
		}
		if info.Previous, err = version(v.GetPrevious()); err != nil {
			return nil, err
		}
		if info.Checksum, err = dataset.ParseDigest(v.GetChecksum()); err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

func (s *sidecarSource) Diff(ctx context.Context, from, to target, _ int) (*diffResult, error) {
	d, err := s.lookup.Diff(ctx, &holdfastv1.DiffRequest{
		FromDataset: string(from.name), FromVersion: versionText(from.version),
		ToDataset: string(to.name), ToVersion: versionText(to.version),
	})
	if err != nil {
		return nil, s.failedFor(ctx, err, from.name, to.name)
	}
	out := &diffResult{
		Added: int(d.GetAdded()), Removed: int(d.GetRemoved()), Changed: int(d.GetChanged()),
		Unchanged: int(d.GetUnchanged()), Fields: map[string]int{},
	}
	out.From.Dataset, out.To.Dataset = from.name, to.name
	if out.From.Version, err = version(d.GetFromVersion()); err != nil {
		return nil, err
	}
	if out.To.Version, err = version(d.GetToVersion()); err != nil {
		return nil, err
	}
	for f, n := range d.GetFields() {
		out.Fields[f] = int(n)
	}
	return out, nil
}

func (s *sidecarSource) Schema(ctx context.Context, n dataset.Name) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err := s.lookup.Schema(ctx, &holdfastv1.SchemaRequest{Dataset: string(n)})
	if err != nil {
		return "", s.failedFor(ctx, err, n)
	}
	return out.GetProto(), nil
}
