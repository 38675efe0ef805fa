"""Carriers: one folder each, a sans-IO codec and a REST control. They do not know each other."""
