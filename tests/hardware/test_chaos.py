"""Killed and disturbed at random, a validation pays nothing twice and loses nothing: benchmarks/chaos.py in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("runs", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_disturbed_validations_end_as_undisturbed_ones(runs):
    command = [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), "--runs", str(runs), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["runs"] == runs
    assert found["kills"] > runs / 2
    assert found["faults"] > runs / 2
    assert found["submissions"] >= 2 * runs
    for name in ("duplicates_paid", "results_lost", "cap_breaches", "wrong_tables"):
        assert found[name] == 0, name
