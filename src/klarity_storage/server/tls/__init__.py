"""HTTPS by the operator's own certificate."""
