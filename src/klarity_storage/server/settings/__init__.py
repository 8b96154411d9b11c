"""What an operator may set: klarity.toml, the command line, the environment."""
