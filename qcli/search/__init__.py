"""A search over training settings and circuit architectures: trials, their objectives, and who runs them."""
