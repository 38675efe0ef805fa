"""Tests of the project itself: its language, its figures, its quick tests."""
