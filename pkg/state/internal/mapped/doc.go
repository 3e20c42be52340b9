// Package mapped reads mapped files, of which a read can fail where no error is returned.
package mapped
