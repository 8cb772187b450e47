"""The cluster as a fixture: a folder of tests imports it in its conftest.py."""

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A cluster of one node with eight processors that all commands of Slurm find; skips where Slurm is absent."""
    if why := missing():
        pytest.skip(why)
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster, pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster
