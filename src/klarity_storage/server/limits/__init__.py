"""What one caller may take of a server that is there for all."""
