"""Klarity Storage."""
