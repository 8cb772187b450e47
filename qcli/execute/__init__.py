"""Executors that stand for a device: the noisy emulator, and later the QPUs themselves."""
