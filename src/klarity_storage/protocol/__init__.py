"""What client and server say to each other: one file a noun, frozen msgspec structs."""
