"""The HTTP API: thin handlers that read, ask and reply."""
