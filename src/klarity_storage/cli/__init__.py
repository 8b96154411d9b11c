"""``ks``: nouns, then verbs; data on stdout, talk on stderr."""
