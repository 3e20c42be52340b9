package sidecar

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// lookUps are the ways to look up, each with metadata.
func lookUps(t *testing.T, s *Sidecar) map[string]func(context.Context) error {
	c := newClient(t, s, "usage")
	lookups := holdfastv1.NewLookupClient(c.conn)
	return map[string]func(context.Context) error{
		"typed get": func(ctx context.Context) error {
			_, err := c.call(ctx, "GetUsage", `{"region":"R1"}`)
			return err
		},
		"typed list": func(ctx context.Context) error {
			_, err := c.list(ctx, "ListUsage")
			return err
		},
		"get": func(ctx context.Context) error {
			_, err := lookups.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
			return err
		},
		"schema": func(ctx context.Context) error {
			_, err := lookups.Schema(ctx, &holdfastv1.SchemaRequest{Dataset: "usage"})
			return err
		},
		"diff": func(ctx context.Context) error {
			_, err := lookups.Diff(ctx, &holdfastv1.DiffRequest{FromDataset: "usage"})
			return err
		},
	}
}

// overHTTP looks up with a header and returns what is answered.
func overHTTP(t *testing.T, s *Sidecar, name, value string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddr()+"/datasets/usage/record?key=R1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(name, value)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// TestMisnamedMetadata misspells what a look-up wants, in each way to look up: it
// is refused, not answered as if it wanted nothing.
func TestMisnamedMetadata(t *testing.T) {
	s := serving(t)
	ways := lookUps(t, s)
	for name, want := range map[string]string{
		"holdfast-versiom":      "did you mean holdfast-version?",
		"holdfast-minversion":   "did you mean holdfast-min-version?",
		"Holdfast-Max-Stalness": "did you mean holdfast-max-staleness?",
		"holdfast-session-id":   "did you mean holdfast-session?",
		"holdfast-x":            "they are holdfast-version, holdfast-min-version, holdfast-max-staleness and holdfast-session",
		"holdfast-":             "they are holdfast-version",
		"holdfast-version" + strings.Repeat("n", 99): "they are holdfast-version",
	} {
		for way, ask := range ways {
			fails(t, way+" with "+name, ask(metadata.AppendToOutgoingContext(t.Context(), name, "1")), codes.InvalidArgument, "BAD_METADATA", want)
		}
		if code, body := overHTTP(t, s, name, "1"); code != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("HTTP with %s: %d %s, want %q", name, code, body, want)
		}
	}
}

// TestMetadataOfAnswers sends the whole header of an answer back, as whoever
// hands it on does: that names the version, and the rest says nothing.
func TestMetadataOfAnswers(t *testing.T) {
	s := serving(t)
	header := s.routes.Load().datasets["usage"].header(s.Replica("usage").Current().Version(), s.Replica("usage").Freshness(), "Share.percent")
	if len(header) != 5 {
		t.Errorf("header %v", header)
	}
	for way, ask := range lookUps(t, s) {
		if err := ask(metadata.NewOutgoingContext(t.Context(), header)); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	for name, values := range header {
		if code, body := overHTTP(t, s, name, values[0]); code != http.StatusOK {
			t.Errorf("HTTP with %s: %d %s", name, code, body)
		}
	}
}

// TestDocumentedMetadata holds the names that are accepted to the document.
func TestDocumentedMetadata(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(holdfast-[a-z-]+)` \\|").FindAllStringSubmatch(string(text), -1)
	documented := map[string]bool{}
	for _, row := range rows {
		documented[row[1]] = true
		if name := misnamed(map[string][]string{row[1]: nil}); name != "" {
			t.Errorf("%s is documented and refused", name)
		}
	}
	for _, name := range slices.Concat(requestNames, answerNames) {
		if !documented[keyPrefix+name] {
			t.Errorf("%s is accepted and not documented", keyPrefix+name)
		}
	}
}
