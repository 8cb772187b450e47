"""The real Slurm cluster that some of these tests run on."""

from tests.slurm.fixture import slurm  # noqa: F401
