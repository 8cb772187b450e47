"""What is packaged, documented and promised of the layout."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def command_line(tmp_path):
    """An environment in which `qcli` and `python` are this checkout's, from an empty folder."""
    for name, arguments in (("qcli", "-m qcli"), ("python", "")):
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n'
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def readme_commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "git ", "make ", "cd ", "pip "))]


def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path):
    commands = readme_commands()
    assert len([command for command in commands if command.startswith("qcli ")]) >= 6
    folder = tmp_path / "work"
    folder.mkdir()
    environment = command_line(tmp_path)
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert {
        "qcli/_circuits/qcnn.py",
        "qcli/_pricing/braket.toml",
        "qcli/device/catalogue/garnet.json",
    } <= names
    assert not any(name.startswith(("tests/", "circuits/", "pricing/")) for name in names)
    script = (
        "import qcli, qcli.files; from qcli.model.load import zoo; from qcli.price.sheet import load_sheets;"
        "print(qcli.__file__, qcli.files.bundled('circuits'), *zoo(), len(load_sheets().devices))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith(str(tmp_path / "site"))
    assert str(tmp_path / "site" / "qcli" / "_circuits") in run.stdout
    assert "qcnn vqc" in run.stdout


@pytest.mark.parametrize("name", ["train", "forecast", "search", "progress"])
def test_a_function_is_called_by_its_package_s_name_whatever_was_imported_before(name):
    script = (
        f"import qcli\n"
        f"for _ in range(2):\n"
        f"    try: qcli.{name}()\n"
        f"    except TypeError as error: assert 'missing' in str(error), error\n"
        f"from qcli import Settings\n"
        f"try: qcli.{name}()\n"
        f"except TypeError as error: assert 'missing' in str(error), error\n"
        f"from qcli.{name}.run import __doc__\n" * (name != "forecast")
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_every_public_name_of_the_package_exists():
    import qcli

    assert all(getattr(qcli, name) is not None for name in qcli.__all__)
    with pytest.raises(AttributeError):
        _ = qcli.no_such_name
