"""Calls that really happened, folded again by today's code."""
