"""What the product knows of each provider before its adapter is built. Pure: no I/O, no settings."""
