"""The real Slurm cluster that these tests run on."""

from tests.slurm.fixture import slurm  # noqa: F401
