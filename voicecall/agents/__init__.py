"""Agents: whoever finds the words."""
