package featuregate

import (
	"context"
	"embed"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// The datasets of the demo: three inputs and the output.
const (
	Features dataset.Name = "features"
	Browsers dataset.Name = "browsers"
	Usage    dataset.Name = "usage"
	Output   dataset.Name = "availability"
)

// InputDatasets returns the names of the input datasets. The caller owns it.
func InputDatasets() []dataset.Name { return []dataset.Name{Features, Browsers, Usage} }

//go:embed features.proto browsers.proto usage.proto availability.proto
var sources embed.FS

// Schema returns the protobuf source of a dataset of the demo and a file name
// for it. The caller owns it. The source is nil if there is no such dataset.
func Schema(name dataset.Name) (filename string, source []byte) {
	filename = string(name) + ".proto"
	source, err := sources.ReadFile(filename)
	if err != nil {
		return filename, nil
	}
	return filename, source
}

// Mapping compiles the schema of a dataset of the demo.
func Mapping(name dataset.Name) (*protomap.Mapping, error) {
	filename, source := Schema(name)
	if source == nil {
		return nil, fmt.Errorf("map dataset %s: it is not one of the demo", name)
	}
	return protomap.Compile(context.Background(), filename, sources.ReadFile)
}
