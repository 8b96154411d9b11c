"""``ks doctor``: try what must work from here, and what must not."""
