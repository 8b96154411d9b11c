"""The buckets of a server: on which engine each lies, by which strategy, and whose it is."""
