"""The configuration's blocks as pydantic models: `settings` is the whole, the others are its parts."""
