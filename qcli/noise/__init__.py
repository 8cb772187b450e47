"""Noisy expectation values of a compiled circuit under a device's calibrated errors (docs/forecast.md)."""
