"""The server: a control plane over an S3 engine. Bytes do not pass through it."""
