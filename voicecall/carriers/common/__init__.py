"""What several carriers share: REST requests, JSON bodies, media frames, stream paths, billing."""
