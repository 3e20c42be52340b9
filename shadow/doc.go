// Package shadow lets a candidate follow PROD: it runs on the inputs of every
// evaluation, and what each run showed is kept.
//
// Read shadow.go, then store.go, store_files.go and store_intact.go.
package shadow
