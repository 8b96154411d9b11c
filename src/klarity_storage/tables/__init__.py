"""Tables: Delta Lake, queried with DataFusion."""
