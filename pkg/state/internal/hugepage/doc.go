// Package hugepage lays memory that is in use for long in huge pages, where the
// system has them: a look-up reads two random places in hundreds of megabytes,
// and with pages of 4 KiB the processor first looks up where they are.
package hugepage
