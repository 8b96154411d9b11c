"""S3 engines: the embedded SeaweedFS, or an S3 that stands already."""
