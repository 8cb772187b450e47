"""A real Slurm cluster of one node on this machine, for the tests and for trying things out."""
