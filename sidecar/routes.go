package sidecar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// dataPackage begins the full name of every typed service.
const dataPackage = "holdfast.data."

// routes is what is served: which dataset and method a call means, and what
// reflection shows. It is immutable.
type routes struct {
	datasets map[dataset.Name]*served
	plans    map[dataset.Name]*plan // of datasets with a typed service
	methods  map[string]route       // by full method, /package.Service/Method
	files    *protoregistry.Files
	services map[string]grpc.ServiceInfo
}

// route is where a typed call goes.
type route struct {
	served *served
	kind   kind
}

// newRoutes makes the table of datasets as they are now. It leaves out typed
// services that cannot be made, and says why.
func newRoutes(datasets map[dataset.Name]*served) (*routes, error) {
	t := &routes{
		datasets: datasets, plans: map[dataset.Name]*plan{}, methods: map[string]route{},
		files: new(protoregistry.Files), services: map[string]grpc.ServiceInfo{},
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(datasets)) {
		d := datasets[name]
		_, p, err := d.current()
		if errors.Is(err, errNotLoaded) {
			continue
		}
		if err == nil && p.service != nil {
			err = t.add(d, p)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}

func (t *routes) add(d *served, p *plan) error {
	if err := t.register(p.file); err != nil {
		return fmt.Errorf("dataset %s: register schema: %w", d.declared.Name, err)
	}
	t.plans[d.declared.Name] = p
	info := grpc.ServiceInfo{Metadata: p.file.Path()}
	for i := range p.service.Methods().Len() {
		m := p.service.Methods().Get(i)
		t.methods[fmt.Sprintf("/%s/%s", p.service.FullName(), m.Name())] = route{d, kindOf(m)}
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: string(m.Name()), IsServerStream: m.IsStreamingServer()})
	}
	t.services[string(p.service.FullName())] = info
	return nil
}

// register adds a file and what it imports, except what is linked in.
func (t *routes) register(file protoreflect.FileDescriptor) error {
	if _, err := t.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := t.register(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return t.files.RegisterFile(file)
}

// same says whether both tables serve the same datasets by the same schemas.
func (t *routes) same(o *routes) bool {
	return maps.Equal(t.plans, o.plans) && maps.Equal(t.datasets, o.datasets)
}

// unknown is why a call has no route.
func (t *routes) unknown(method string) error {
	name := strings.TrimPrefix(method, "/"+dataPackage)
	name, _, ok := strings.Cut(name, ".")
	d := t.datasets[dataset.Name(name)]
	switch {
	case !ok || !strings.HasPrefix(method, "/"+dataPackage):
		return fmt.Errorf("method %.200s: %w", method, errUnsupported)
	case d == nil:
		return fmt.Errorf("method %.200s: dataset %.64s: %w", method, name, errNoDataset)
	case t.plans[d.declared.Name] == nil && d.replica.Current() == nil:
		return fmt.Errorf("dataset %s: %w", name, errNotLoaded)
	case t.plans[d.declared.Name] == nil && d.willServe():
		return fmt.Errorf("dataset %s: %w: its service is being made", name, errNotLoaded)
	case t.plans[d.declared.Name] == nil:
		return fmt.Errorf("dataset %s has no typed service: %w", name, errUnsupported)
	}
	return fmt.Errorf("method %.200s is not one of %s: %w", method, t.plans[d.declared.Name].service.FullName(), errUnsupported)
}

// FindFileByPath finds a file that is served or linked in.
func (t *routes) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if d, err := t.files.FindFileByPath(path); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

// FindDescriptorByName finds a descriptor that is served or linked in.
func (t *routes) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := t.files.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}
