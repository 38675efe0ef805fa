"""Simulators of carriers, speech services and models: processes on loopback that speak the real protocols."""
