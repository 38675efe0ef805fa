"""Describes the configuration: its schema, the table of keys, the values in force, and messages about bad values."""
