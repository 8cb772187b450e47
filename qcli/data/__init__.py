"""Data sets by name, file or folder; splits and hashes."""
