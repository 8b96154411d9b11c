"""The local cache: content-addressed, so what is in it is never stale."""
