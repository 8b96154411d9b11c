"""What every request passes through: its id, its caller, and the one shape of its failure."""
