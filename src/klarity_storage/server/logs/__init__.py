"""What the server says while it runs: a line an event, with the request that it belongs to."""
