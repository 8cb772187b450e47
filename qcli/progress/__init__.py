"""Stages, their gates, and searches."""
