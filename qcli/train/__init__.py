"""The training loop, metrics, classical baselines and repeated seeds."""
