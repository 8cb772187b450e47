"""The simulators that benchmarks/engine.py compares, one module each, and what runs one of them in a process.

A peer module defines `PACKAGES`, the distributions whose versions are reported, and
`prepare(circuit) -> (step, forward)` with `step(x, weights, target) -> (loss, gradient)` and
`forward(x, weights) -> outputs`, all on numpy float64 arrays.
"""
