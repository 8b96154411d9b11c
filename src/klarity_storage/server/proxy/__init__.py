"""nginx in front of the server: TLS, a read cache, and the way to S3 for callers outside."""
