"""Engines that evaluate a Program for a batch of angles, and the executors made of them."""
