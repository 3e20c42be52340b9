// Package featuregatepb is the generated Go of the schemas of the datasets
// features, browsers, usage and availability.
package featuregatepb
