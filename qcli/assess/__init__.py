"""Simulation and device side by side: degradation, significance, latency, cost."""
