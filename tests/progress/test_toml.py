"""Every error of a progression's file with its line, its key and the nearest valid name."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.progress import toml
from qcli.progress.toml import line_of, read_progression

HEAD = 'model = "qcnn"\ndata = "digits:3,6"\ntargets = ["braket/garnet"]\n'
TEMPLATES = [Path(toml.__file__).with_name(name) for name in ("laptop.toml", "slurm.toml")]


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("modle = 3", 4, "modle", ["unknown key modle", "did you mean model?"]),
        ("shots = 0", 4, "shots", ["greater than or equal to 1"]),
        ("shots = 'many'", 4, "shots", ["valid integer"]),
        ("[training]\nepochs = 3\nepoch = 3", 6, "training.epoch", ["unknown key", "epochs"]),
        ("[training]\n\n# a comment\nbatch = 'x'", 7, "training.batch", ["valid integer"]),
        ("training = { batch = 'x' }", 4, "training.batch", ["valid integer"]),
        ("training.batch = 'x'", 4, "training.batch", ["valid integer"]),
        ("[hpc]\nexecutor = 'slrum'", 5, "hpc.executor", ["'local' or 'slurm'"]),
        ("[hpc]\nworkers = 2\n[hpc.slurm]\npartitoin = 'x'", 7, "hpc.slurm.partitoin", ["did you mean partition?"]),
        ("[hpc.slurm]\ntime_s = 3", 5, "hpc.slurm.time_s", ["greater than or equal to 60"]),
        ("[space]\nwires = 4", 5, "space.wires", ["not a dimension", "choice = [4, 8]"]),
        ("[space]\nwires = { choise = [4] }", 5, "space.wires", ["not a dimension"]),
        ("[space]\nwires = { choice = [] }", 5, "space.wires.choice", ["at least 1 item"]),
        ("[space]\nlr = { log = [0.0, 0.1] }", 5, "space.lr", ["the logarithm of 0.0"]),
        ("[space]\nlr = { log = [0.1, 0.2], gird = 3 }", 5, "space.lr.gird", ["unknown key gird", "grid"]),
        ("[space]\nlr = { range = [3, 1] }", 5, "space.lr", ["3 is not below 1"]),
        ("[limits]\nbudget = -1", 5, "limits.budget", ["greater than or equal to 0"]),
        ("[limits]\nbaselines = 'good'", 5, "limits.baselines", ["'not worse'"]),
        ("[qpu]\nspend = true", 4, "qpu", ["spend = true needs max_cost"]),
        ("[qpu]\nmax_cost = 'lots'", 5, "qpu.max_cost", ["valid decimal"]),
        ("[[qpu]]\ndevice = 'x'", 4, "qpu", ["valid dictionary"]),
    ],
)  # fmt: skip
def test_an_error_has_its_line_and_key(tmp_path, text, line, key, words):
    path = tmp_path / "p.toml"
    path.write_text(HEAD + text + "\n")
    with pytest.raises(QcliError) as caught:
        read_progression(path)
    assert caught.value.where == f"{path}:{line}, {key}"
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_key_is_named(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('model = "qcnn"\ntargets = ["braket/garnet"]\n')
    with pytest.raises(QcliError, match="data is missing"):
        read_progression(path)


@pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    with pytest.raises(QcliError, match=r"TOML"):
        read_progression(path)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(QcliError, match="there is no file") as caught:
        read_progression(tmp_path / "nothing.toml")
    assert "qcli progress init" in caught.value.fix
    with pytest.raises(QcliError, match="not a TOML file"):
        read_progression(tmp_path)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_what_is_shipped_is_valid(template):
    plan = read_progression(template)
    assert plan.hpc.executor == ("slurm" if template.stem == "slurm" else "local")
    assert not plan.qpu.spend


KEYS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@given(
    st.dictionaries(
        KEYS, st.dictionaries(KEYS, st.integers(), min_size=1, max_size=4), min_size=1, max_size=4
    )
)
def test_the_line_of_a_key_is_the_one_it_is_on(content):
    lines = []
    for table, values in content.items():
        lines += [f"[{table}]  # about {table}", *(f"{key} = {value}" for key, value in values.items()), ""]
    text = "\n".join(lines)
    assert tomllib.loads(text) == content
    for table, values in content.items():
        for key, value in values.items():
            line = lines[line_of(text, [table, key]) - 1]
            assert line == f"{key} = {value}"
