"""The quantum layer, models by name or path, and their weights on disk."""
