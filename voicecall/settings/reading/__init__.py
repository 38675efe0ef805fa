"""Reads the configuration from a file and the environment: `load` runs the steps, each other file is one step."""
