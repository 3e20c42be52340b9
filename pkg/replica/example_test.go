package replica_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	"github.com/holdfast-data/holdfast/producer"
)

// A program that follows a dataset in its own memory, and has an index of it
// besides the one by key, which it carries from view to view.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	store := blob.NewMemory() // a program opens its own: blob.OpenDir or cloud.Open
	publishProducts(ctx, store, `{"sku":"a","shop":"north"}`, `{"sku":"b","shop":"south"}`)

	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store = "products", store
	r := replica.Open(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()

	var s shops
	for range 2 { // a program goes on until it is told to stop
		for changed := r.Changed(); r.Current() == s.view; changed = r.Changed() {
			<-changed // it was asked for before the view, so that no change is missed
		}
		if err := s.follow(r.Current()); err != nil {
			log.Fatal(err)
		}
		if err := s.print("north"); err != nil {
			log.Fatal(err)
		}
		publishProducts(ctx, store, `{"sku":"a","shop":"north"}`, `{"sku":"b","shop":"south"}`, `{"sku":"c","shop":"north"}`)
		r.Look() // else it looks every cfg.Poll
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
	// Output:
	// north has {"sku":"a","shop":"north"}
	// north has {"sku":"a","shop":"north"}
	// north has {"sku":"c","shop":"north"}
}

// shops is a view of the products and an index of it by shop. One goroutine follows;
// for others that read it goes behind an atomic pointer, as a new value for each view.
type shops struct {
	view   *replica.View
	byShop *index.Multi
}

// follow moves to the next view. From one version to the one after it the index costs
// what changed. It is built anew after a jump, because an ordinal may have become
// another record's in between, and in a new segment, where all ordinals are new.
func (s *shops) follow(next *replica.View) error {
	m := next.Manifest
	adjacent := s.view != nil && m.Previous == s.view.Version() && m.PreviousManifest == s.view.ManifestDigest && m.Segment == s.view.Manifest.Segment
	if !adjacent {
		x, err := index.NewMulti(next.State, "Product", "shop")
		*s = shops{next, x}
		return err
	}
	x, err := s.byShop.Next(next.State, state.ChangesBetween(s.view.State, next.State))
	if err != nil {
		return err
	}
	*s = shops{next, x.(*index.Multi)}
	return nil
}

// print prints the products of a shop.
func (s *shops) print(shop string) error {
	for o := range s.byShop.Get(state.StringValue(shop)).All() {
		product, err := s.view.JSON(s.view.Root().Record(o))
		if err != nil {
			return err
		}
		fmt.Printf("%s has %s\n", shop, product)
	}
	return nil
}

// The example's index is right also where the program has missed a version, in which
// an ordinal went that has become another record's.
func TestExampleJumps(t *testing.T) {
	store := blob.NewMemory()
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store = "products", store
	r := replica.Open(cfg)
	var s shops
	for _, moves := range [][]string{{"south"}, {"west", "east"}, {"south"}} { // of b
		for _, shop := range moves {
			publishProducts(t.Context(), store, `{"sku":"a","shop":"north"}`, fmt.Sprintf(`{"sku":"b","shop":%q}`, shop))
		}
		err := r.Refresh(t.Context())
		if err == nil {
			err = s.follow(r.Current())
		}
		if err != nil {
			t.Fatal(err)
		}
		now := moves[len(moves)-1]
		for _, shop := range []string{"south", "west", "east"} {
			want := 0
			if shop == now {
				want = 1
			}
			if got := s.byShop.Get(state.StringValue(shop)).Len(); got != want {
				t.Errorf("b moved to %v: %d products are in %s, want %d", moves, got, shop, want)
			}
		}
	}
}

const productSchema = `syntax = "proto3";
import "holdfast/v1/options.proto";
message Product {
  option (holdfast.v1.dataset) = {key: ["sku"]};
  string sku = 1;
  string shop = 2;
}`

// publishProducts makes lines of JSON the next version of products.
func publishProducts(ctx context.Context, store blob.Store, lines ...string) {
	mapping, err := protomap.Compile(ctx, "product.proto", func(path string) ([]byte, error) {
		if path != "product.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(productSchema), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	cfg := producer.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Mapping, cfg.Author = "products", store, mapping, announce.Author{Name: "example"}
	cfg.Files = []producer.File{{Name: "example", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Join(lines, "\n"))), nil
	}}}
	if _, err := producer.Publish(ctx, cfg); err != nil {
		log.Fatal(err)
	}
}
