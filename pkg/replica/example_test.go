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

// A program that follows a dataset in its own memory, and has an index of it besides
// the one by key.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	store := blob.NewMemory() // a program opens its own: blob.OpenDir or cloud.Open
	publishProducts(ctx, store, `{"sku":"a","shop":"north"}`, `{"sku":"b","shop":"south"}`)

	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Declared.Indexes = "products", store, byShop
	r := replica.Open(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()

	var view *replica.View
	for range 2 { // a program goes on until it is told to stop
		for changed := r.Changed(); r.Current() == view; changed = r.Changed() {
			<-changed // it was asked for before the view, so that no change is missed
		}
		view = r.Current()
		if err := printShop(view, "north"); err != nil {
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

// byShop returns the index of products by their shop.
func byShop(s *state.State) (map[string]state.Index, error) {
	x, err := index.NewMulti(s, "Product", "shop")
	return map[string]state.Index{"by shop": x}, err
}

// inShop returns the products of a shop. An index belongs to the view that it is of.
func inShop(v *replica.View, shop string) index.Postings {
	return v.State.Index("by shop").(*index.Multi).Get(state.StringValue(shop))
}

// printShop prints the products of a shop.
func printShop(v *replica.View, shop string) error {
	for o := range inShop(v, shop).All() {
		product, err := v.JSON(v.Root().Record(o))
		if err != nil {
			return err
		}
		fmt.Printf("%s has %s\n", shop, product)
	}
	return nil
}

// TestIndexes has the declared indexes in each view, right also where the program has
// missed a version, in which an ordinal went that has become another record's.
func TestIndexes(t *testing.T) {
	store := blob.NewMemory()
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Declared.Indexes = "products", store, byShop
	r := replica.Open(cfg)
	for _, moves := range [][]string{{"south"}, {"west", "east"}, {"south"}} { // of b
		for _, shop := range moves {
			publishProducts(t.Context(), store, `{"sku":"a","shop":"north"}`, fmt.Sprintf(`{"sku":"b","shop":%q}`, shop))
		}
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := moves[len(moves)-1]
		for _, shop := range []string{"south", "west", "east"} {
			want := 0
			if shop == now {
				want = 1
			}
			if got := inShop(r.Current(), shop).Len(); got != want {
				t.Errorf("b moved to %v: %d products are in %s, want %d", moves, got, shop, want)
			}
		}
	}
}

// TestIndexesThatFail is told why an index cannot be built, and that a name is taken.
func TestIndexesThatFail(t *testing.T) {
	store := blob.NewMemory()
	publishProducts(t.Context(), store, `{"sku":"a","shop":"north"}`)
	for want, build := range map[string]func(*state.State) (map[string]state.Index, error){
		"key does not fit the index": func(s *state.State) (map[string]state.Index, error) {
			_, err := index.NewMulti(s, "Product", "nothing")
			return nil, err
		},
		`the name "primary" is taken`: func(*state.State) (map[string]state.Index, error) {
			return map[string]state.Index{"primary": nil}, nil
		},
	} {
		cfg := replica.DefaultConfig()
		cfg.Dataset, cfg.Store, cfg.Declared.Indexes = "products", store, build
		if err := replica.Open(cfg).Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
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
