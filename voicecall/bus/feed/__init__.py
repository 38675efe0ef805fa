"""The live feed of commits: complete and in order, although pub/sub may lose messages."""
