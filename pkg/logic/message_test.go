package logic_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
	pb "github.com/holdfast-data/holdfast/testenv/featuregate/featuregatepb"
)

// declare compiles a declaration.
func declare(t *testing.T, text string) *protomap.Mapping {
	t.Helper()
	m, err := protomap.Compile(t.Context(), "x.proto", func(path string) ([]byte, error) {
		if path != "x.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(`syntax = "proto3"; import "holdfast/v1/options.proto"; ` + text), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// usageWith declares dataset usage with other fields.
func usageWith(t *testing.T, usage, share string) *protomap.Mapping {
	t.Helper()
	return declare(t, `message Usage { option (holdfast.v1.dataset) = {key: ["region"]}; string region = 1; `+usage+` } message Share { `+share+` }`)
}

const shares, percent = "string name = 2; string month = 3; repeated Share shares = 4;", "string browser = 1; string version = 2; double percent = 3;"

// TestMisread fails a run whose messages were compiled from another declaration
// of an input, also if it goes on; more fields on either side do no harm.
func TestMisread(t *testing.T) {
	for _, x := range []struct{ usage, share, want string }{
		{shares, percent, ""},
		{shares + " bytes more = 9;", percent, ""},
		{"string name = 2; repeated Share shares = 4;", "string browser = 1; double percent = 3;", ""},
		{"optional string name = 2; string month = 3; repeated Share shares = 4;", percent, ""},
		{shares, "string browser = 1; string version = 2; float percent = 3;", "field 3 of Share, percent, is float in the dataset and double in the logic"},
		{"string name = 2; string month = 3; Share shares = 4;", percent, "field 4 of Usage, shares, is message in the dataset and repeated message in the logic"},
		{"map<string, Share> shares = 4;", percent, "map<string, message>"},
		{"int32 month = 3; repeated Share shares = 4;", percent, "month, is int32 in the dataset and string"},
		{"string nick = 2; repeated Share shares = 4;", percent, "field 2 of Usage is called nick in the dataset and name in the logic"},
	} {
		s := sessionOf(t, usageWith(t, x.usage, x.share))
		for _, name := range []string{"misread", "get"} {
			_, _, err := runCommandOn(t, name, s)
			wantMisfit(t, name+" as a command, "+x.usage+x.share, err, x.want)
		}
		for name, run := range map[string]logic.Func{"misread": misread, "get": misreadOne} {
			l := &logic.Logic{Name: name, Output: outputMapping(t), Run: run}
			_, err := l.Compute(t.Context(), s)
			wantMisfit(t, name+" in process, "+x.usage+x.share, err, x.want)
			if x.want != "" && !errors.Is(err, logic.ErrMessage) {
				t.Errorf("%s: error %v, want ErrMessage", name, err)
			}
		}
	}
}

func outputMapping(t *testing.T) *protomap.Mapping {
	t.Helper()
	m, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantMisfit(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "another schema")) {
		t.Errorf("%s: error %v, want %q", what, err, want)
	}
	var failed *logic.RunError
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("%s: %v is no failure of the logic", what, err)
	}
}

// TestMiswrite does the same for what a logic emits.
func TestMiswrite(t *testing.T) {
	fields := `string feature = 1; string region = 2; double full_percent = 3; double partial_percent = 4; double total_percent = 5; bool available = 6;
		enum Reason { REASON_UNSPECIFIED = 0; NO_USAGE_DATA = 1; FULL_SUPPORT = 2; PARTIAL_SUPPORT = 3; BELOW_THRESHOLD = 4; NO_SUPPORT = 5; }`
	output := func(more string) *protomap.Mapping {
		return declare(t, `package featuregate; message Availability { option (holdfast.v1.dataset) = {key: ["feature", "region"]}; `+more+`}`)
	}
	honest := func(_ context.Context, _ *logic.Session, emit func(proto.Message) error) error {
		return emit(&pb.Availability{Feature: "f", Region: "r"})
	}
	for _, x := range []struct{ declared, want string }{
		{fields + " Reason reason = 7;", ""},
		{fields, ""}, // the logic does not set what it lacks
		{strings.Replace(fields, "bool available", "uint64 available", 1), "field 6 of Availability, available, is uint64 in the dataset and bool in the logic"},
		{strings.Replace(strings.Replace(fields, "NO_SUPPORT = 5", "NO_SUPPORT = 2", 1), "FULL_SUPPORT = 2", "FULL_SUPPORT = 5", 1) + " Reason reason = 7;",
			"of enum Reason is"},
		{strings.Replace(fields, "NO_SUPPORT = 5;", "NO_SUPPORT = 5; WILL_COME = 6;", 1) + " Reason reason = 7;", ""},
		{strings.Replace(fields, "enum Reason {", "enum Reason { option allow_alias = true; NONE = 0;", 1) + " Reason reason = 7;", ""},
	} {
		l := &logic.Logic{Name: "l", Output: output(x.declared), Run: honest}
		_, err := l.Compute(t.Context(), logic.NewSession(nil, clock, 1))
		wantMisfit(t, x.declared, err, x.want)
	}
	_, _, err := runCommand(t, "misemit")
	wantMisfit(t, "a message of another dataset", err, "field 1 of Availability is called feature in the dataset and id in the logic")
}
