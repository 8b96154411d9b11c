"""OpenID Connect: callers whom an issuer vouches for, by a signed token (JWT)."""
