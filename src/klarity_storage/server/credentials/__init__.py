"""Temporary credentials of the engine: what they may do, and when they are given at all."""
