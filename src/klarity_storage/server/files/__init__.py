"""The HTTPS read path: files of versions, of tables and of tables' rows, for whoever has no S3."""
