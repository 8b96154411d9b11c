"""The Python client: ``connect`` and what it returns."""
