"""Workload, price sheet and submission plan to a bill."""
