"""Killed and disturbed at random, a validation pays nothing twice and loses nothing: benchmarks/chaos.py in short."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_twenty_disturbed_validations_end_as_undisturbed_ones():
    command = [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), "--runs", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["runs"] == 20
    assert found["kills"] > 10
    assert found["faults"] > 10
    assert found["submissions"] >= 40
    for name in ("duplicates_paid", "results_lost", "cap_breaches", "wrong_tables"):
        assert found[name] == 0, name
