"""Tables of bad input: how each comes about, the command, and what its error line must say."""

import pickle
from typing import Any, NamedTuple

import torch

from tests.cli.damage import (
    CHECKPOINT,
    WEIGHTS,
    Make,
    broken_image,
    built,
    circuit_with,
    edited,
    ending,
    flipped_bit,
    foreign_code,
    foreign_weights,
    gone,
    half_trained,
    nothing,
    pickled_npz,
    record,
    setting,
    tensors,
    text,
    truncated,
    without,
)
from tests.cli.helpers import table


class Case(NamedTuple):
    """`make` prepares the folder that the command runs in: it holds mine.py, mine.csv and their `run`."""

    name: str
    make: Make
    command: str
    what: str


BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
h q[0];
cx q[0],q[1];
"""
FORTE = "braket/forte-enterprise-1"
PRICE = "estimate-cost run --device braket/garnet"
UNTRAINED = "estimate-cost ./mine.py --device braket/garnet"
REHEARSE = "validate-on-hardware run"
COMMANDS = [
    Case(f"{command} ({what})", nothing, command, what)
    for command, what in [
        ("train qcm", "unknown model 'qcm'"),
        ("train ./none.py", "none.py does not exist"),
        ("train run/run.json", "run.json is not a Python file"),
        ("train vqc --data mnist", "unknown data 'mnist'"),
        ("train vqc --data none.csv", "no such file or folder: 'none.csv'"),
        ("train vqc --data digits:0", "only one class"),
        ("train vqc --set wire=3", "no option 'wire'"),
        ("train vqc --set wires=many", "option wires is a whole number"),
        ("train vqc --set wires", "--set takes key=value"),
        ("train vqc --set wires=1", "build() fails: ValueError: wires must be at least 2"),
        ("train vqc --optimizer adm", "--optimizer adm"),
        ("train vqc --epochs 0", "--epochs 0"),
        ("train vqc --batch 0", "--batch 0"),
        ("train vqc --batch -4", "--batch -4"),
        ("train vqc --nproc 0", "0 processes for batches of 32 rows"),
        ("train vqc --batch 2 --nproc 3", "3 processes for batches of 2 rows"),
        ("train --resume run --nproc 99", "99 processes for batches of"),
        ("train vqc --ntasks 2", "--ntasks without Slurm"),
        ("train vqc --slurm partition=x", "--slurm without Slurm"),
        ("train vqc --executor slrum", "no executor 'slrum'"),
        ("train vqc --executor slurm --nodes 2 --ntasks 3", "3 tasks on 2 nodes"),
        ("train vqc --executor slurm --nproc 2", "--nproc is for one machine"),
        ("train vqc --executor slurm --slurm partitoin=x", "--slurm has no 'partitoin'"),
        (
            "train vqc --executor slurm --slurm time_s=1",
            "time_s = 1: Input should be greater than or equal to 60",
        ),
        ("sweep", "name either a model or a search to resume"),
        ("sweep vqc", "nothing to search"),
        ("sweep vqc --space wires", "--space takes key=value"),
        ("sweep vqc --space wires=4..2", "not a dimension of a search: '4..2'"),
        ("sweep vqc --space wirse=2,4", "model vqc has no option 'wirse', at wirse=2"),
        ("sweep vqc --space wires=1,4", "wires must be at least 2"),
        ("sweep vqc --space ansatz=strong,weak", "ansatz is strong or basic"),
        ("sweep vqc --space lr=0..0.1", "lr = 0: Input should be greater than 0"),
        ("sweep vqc --space lr=0.01,0.1 --objective speed", "no objective 'speed'"),
        ("sweep vqc --space lr=0.01,0.1 --objective gates", "objective gates needs a device"),
        (
            "sweep vqc --space lr=0.01,0.1 --sampler guess",
            "sampler: Input should be 'grid', 'random' or 'tpe'",
        ),
        ("sweep vqc --space lr=0.01..0.1 --sampler grid", "a grid needs a number of points"),
        ("sweep vqc --space lr=0.01,0.1 --trials 0", "trials: Input should be greater than or equal to 1"),
        ("sweep vqc --space lr=0.01,0.1 --executor pbs", "no executor 'pbs'"),
        ("sweep vqc --space wires=2,4 --set wires=3", "wires is fixed and searched"),
        ("sweep --resume run", "run is not the folder of a search"),
        ("sweep --resume run --trials 4", "a search is resumed with its own plan: --trials"),
        ("progress run none.toml", "there is no file none.toml"),
        ("progress run mine.py", "not valid TOML"),
        ("progress run run", "run is not a TOML file"),
        ("progress status none.toml", "there is no file none.toml"),
        ("progress report none.toml", "there is no file none.toml"),
        ("progress resume none.toml", "there is no file none.toml"),
        ("progress init mine.py", "mine.py exists"),
        ("train vqc --lr 0", "--lr 0"),
        ("train vqc --lr nan", "--lr nan"),
        ("train vqc --seeds 0", "--seeds 0"),
        ("train vqc --seed -1", "--seed -1"),
        ("train vqc --patience 0", "--patience 0"),
        ("train vqc --test-size 360", "leaves none of 360 rows"),
        ("train vqc --test-size -0.2", "test size -0.2"),
        ("train vqc --data mine.csv --batch 26", "25 training rows are fewer than a batch of 26"),
        ("train ./mine.py --data mine.csv --batch 8 --out run", "run exists and is not an empty folder"),
        (
            "train ./mine.py --data mine.csv --batch 8 --out run/run.json",
            "run.json exists and is not an empty folder",
        ),
        ("train", "either a model or a run"),
        ("train vqc --resume run", "either a model or a run"),
        ("train --resume none", "no run directory none"),
        ("train --resume run --epochs 9 --lr 0.1", "--epochs, --lr cannot be changed"),
        ("estimate-cost qcm", "unknown model 'qcm'"),
        ("estimate-cost runs/none", "no run directory runs/none"),
        ("estimate-cost run --device braket/garnt", "'braket/garnt'"),
        ("estimate-cost run --inferences 0", "inferences must be at least 1"),
        ("estimate-cost run --shots -5", "shots must be at least 1"),
        (f"estimate-cost run --device {FORTE} --shots 99", f"{FORTE}: 100 to 5,000"),
        (f"estimate-cost run --device {FORTE} --shots 5001", f"{FORTE}: 100 to 5,000"),
        ("estimate-cost run --device braket/ankaa-3", "braket/ankaa-3 was retired on 2026"),
        ("estimate-cost run --set wires=3", "a trained run has its options, features and classes fixed"),
        ("estimate-cost run --features 3", "a trained run has its options, features and classes fixed"),
        ("estimate-cost", "nothing to price"),
        (f"{PRICE} --format xml", "unknown format 'xml'"),
        (f"{PRICE} --mitigation magic", "mitigation 'magic'"),
        (f"{PRICE} --mitigation zne=2", "mitigation 'zne=2'"),
        (f"{PRICE} --mitigation twirl=0", "mitigation 'twirl=0'"),
        (f"{PRICE} --mitigation debias --shots 2500", "braket/garnet has no debiasing"),
        (f"estimate-cost run --device {FORTE} --mitigation debias", "needs 2,500 shots a circuit, not 512"),
        (f"{PRICE} --training --gradient adjoint", "unknown gradient 'adjoint'"),
        ("estimate-cost ./mine.py --training", "how many training samples?"),
        (f"{PRICE} --contract ibm=gold", "no contract 'gold'"),
        (f"{PRICE} --contract nobody=gold", "no price sheet for 'nobody'"),
        (f"{PRICE} --contract flex", "--contract takes"),
        (f"{PRICE} --budget much", "a budget of 'much'"),
        (f"{PRICE} --budget=-5", "a budget of -5 USD"),
        (f"{PRICE} --budget 0", "a budget of 0 USD"),
        (f"{PRICE} --budget nan", "a budget of NaN USD"),
        (f"{PRICE} --budget inf", "a budget of Infinity USD"),
        (f"{UNTRAINED} --detect 99", "a loss of 99 points is impossible"),
        (f"{UNTRAINED} --detect 0", "a loss of 0 points is impossible"),
        (f"{UNTRAINED} --detect=-3", "a loss of -3 points is impossible"),
        (f"{PRICE} --detect 5", "50.0% accuracy with 2 classes is no better than guessing"),
        (f"{PRICE} --max-flips 0", "a share of flips of 0.0"),
        (f"{PRICE} --max-flips 1.5", "a share of flips of 1.5"),
        (f"{PRICE} --prices none.toml", "cannot read the price sheet"),
        (f"{PRICE} --prices mine.py", "the price sheet is not valid TOML"),
        (f"{PRICE} --policy none.toml", "cannot read the policy"),
        (f"{PRICE} --policy mine.py", "not valid TOML"),
        (f"{PRICE} --max-degradation=-1", "a degradation of -1 points"),
        (f"{PRICE} --max-degradation 101", "a degradation of 101 points"),
        (f"{PRICE} --max-degradation nan", "a degradation of nan points"),
        (f"{PRICE} --max-degradation 3 --no-forecast", "there is no forecast to compare with"),
        (f"{PRICE} --max-degradation 3 --training", "there is no forecast to compare with"),
        (f"{PRICE} --max-degradation 3 --mitigation readout", "there is no forecast to compare with"),
        (f"{UNTRAINED} --max-degradation 3", "there is no forecast to compare with"),
        ("estimate-cost run --device aquila", "braket/aquila runs no gate circuits"),
        ("estimate-cost run --diff run run", "a target and --diff"),
        ("estimate-cost --diff run run", "no estimate to compare"),
        ("estimate-cost --diff run/run.json run", "run.json has schema 'qcli.run/1'"),
        ("estimate-cost --diff none run", "no estimate to compare"),
        (f"{REHEARSE} --device garnet", "unknown device 'garnet'"),
        (f"{REHEARSE} --device emulator/garnt", "no device 'emulator/garnt'"),
        (f"{REHEARSE} --device ibm/none", "no device 'ibm/none'"),
        (f"{REHEARSE} --device braket/garnet --max-cost lots", "a cap of lots USD"),
        (f"{REHEARSE} --device braket/garnet --plan session", "plan 'session' on braket/garnet"),
        (f"{REHEARSE} --device braket/garnet --mitigation twirl", "twirl is not offered on braket/garnet"),
        (f"{REHEARSE} --device braket/garnet --shots 0", "0 shots are outside the range"),
        (f"{REHEARSE} --device emulator/garnet --max-cost 5", "emulator/garnet costs nothing"),
        (f"{REHEARSE} --device emulator/garnet --adaptive --max-flips 2", "a share of flips of 2"),
        ("assess run", "nothing was submitted from this run directory"),
        ("assess run --device braket/garnet", "no validation on braket/garnet is recorded"),
        ("jobs list run", "nothing was submitted from this run directory"),
        ("validate-on-hardware none --device sim", "no run directory none"),
        (f"{REHEARSE} --device sim --inferences 0", "0 inferences, the test set has 8"),
        (f"{REHEARSE} --device sim --inferences 9", "9 inferences, the test set has 8"),
        (f"{REHEARSE} --device sampled --shots 0", "0 shots"),
        (f"{REHEARSE} --device sampled --shots {10**20}", f"{10**20:,} shots"),
        (f"{REHEARSE} --device sampled --seed -1", "seed -1 is negative"),
        (f"{REHEARSE} --device emulator/forte-enterprise-1 --shots 5001", f"{FORTE}: 100 to 5,000"),
        ("forecast none", "none does not exist"),
        ("forecast none.qasm --device garnet --target 00", "none.qasm does not exist"),
        ("forecast run --device braket/garnt", "no device 'braket/garnt'"),
        ("forecast run --device garnet --inferences 0", "0 inferences, the test set has 8"),
        ("forecast run --device garnet --inferences 9", "9 inferences, the test set has 8"),
        ("forecast run --device garnet --shots 0", "0 shots are outside the range of braket/garnet"),
        ("forecast run --device forte-enterprise-1 --shots 99", f"{FORTE}: 100 to 5,000"),
        ("forecast run --device garnet --target 00", "--target for a run"),
        ("forecast run --observable ZZ", "--observable for a run"),
        ("forecast mine.py --device garnet --target 00", "not an OpenQASM file"),
        ("forecast score none.csv", "cannot read the results"),
        ("forecast score mine.csv", "no column circuit, device, date, shots, target, measured"),
        ("devices braket/garnt", "no device 'braket/garnt'"),
        ("devices show braket/garnt", "no device 'braket/garnt'"),
        ("devices show garnet --by colour", "no colouring 'colour'"),
        ("devices import none.json", "none.json does not exist"),
        ("devices import mine.py", "not valid JSON, or cut short"),
        ("devices import run/run.json", "unknown schema"),
        ("devices import run/metrics.json --config none.json", "unknown schema"),
        ("devices refresh braket/garnt", "no device 'braket/garnt'"),
        ("prices braket/garnt", "no price for device 'braket/garnt'"),
    ]
]

_ASKED = "--device garnet --target 00"
FORECASTS = [
    Case(f"forecast of a circuit, {name}", text("a.qasm", circuit), f"forecast a.qasm {options}", what)
    for name, circuit, options, what in [
        ("neither target nor observable", BELL, "--device garnet", "what is to be forecast?"),
        ("target and observable", BELL, f"{_ASKED} --observable ZZ", "what is to be forecast?"),
        ("no device", BELL, "--target 00", "a circuit is forecast for one device, not 0"),
        ("two devices", BELL, f"{_ASKED} --device fez", "a circuit is forecast for one device, not 2"),
        ("why", BELL, f"{_ASKED} --why", "--why for a circuit"),
        (
            "mitigation",
            BELL,
            f"{_ASKED} --mitigation --inferences 4",
            "--mitigation, --inferences for a circuit",
        ),
        ("unknown device", BELL, "--device braket/garnt --target 00", "no device 'braket/garnt'"),
        ("no shots", BELL, f"{_ASKED} --shots 0", "0 shots"),
        ("long target", BELL, "--device garnet --target 000", "target '000' for 2 measured bits"),
        ("odd target", BELL, "--device garnet --target 0x", "target '0x' for 2 measured bits"),
        ("odd observable", BELL, "--device garnet --observable ZQ", "observable 'ZQ' for 2 qubits"),
        ("no OpenQASM", "H 0", _ASKED, "not an OpenQASM file"),
        ("cut short", BELL[:-3], _ASKED, "the circuit does not parse: 5,9"),
        (
            "measures midway",
            BELL + "creg c[1]; measure q[0]->c[0]; h q[0];",
            _ASKED[:-1],
            "after its measurement",
        ),
        (
            "too wide",
            BELL.replace("[2]", "[21]") + "h q;",
            f"--device garnet --target {'0' * 21}",
            "21 wires",
        ),
    ]
]

_POLICIES = [
    ("policy with a misspelt key", "[policy]\nmax_used = 3", "policy.max_used"),
    (
        "policy with a misspelt device",
        "[policy]\ndevices = ['braket/garnt']",
        "no device matches 'braket/garnt'",
    ),
    ("policy with a misspelt plan", "[policy]\nplans = ['jobs']", "no plan 'jobs'"),
    ("policy that is no TOML", "[policy", "not valid TOML"),
]
_METRICS = "run/metrics.json"
_NO_METRICS = "not the metrics of a training"
ESTIMATES = [
    *(Case(name, text("qcli.toml", content), PRICE, what) for name, content, what in _POLICIES),
    Case("half of metrics.json, priced", truncated(_METRICS), PRICE, "metrics.json is not valid JSON"),
    Case("empty metrics, priced", text(_METRICS, '{"schema": "qcli.metrics/1"}'), PRICE, _NO_METRICS),
    Case(
        "metrics without the chosen seed, priced",
        text(
            _METRICS,
            '{"schema": "qcli.metrics/1", "test_samples": 8, "chosen_seed": 1, "seeds": [], "baselines": []}',
        ),
        PRICE,
        _NO_METRICS,
    ),
]

DATA = [
    Case(name, make, f"train vqc --data {data}", what)
    for name, make, data, what in [
        (
            "text among numbers",
            text("a.csv", "x,z,y\n1,2,0\n3,tall,1\n"),
            "a.csv",
            "text 'tall' where a number",
        ),
        ("NaN", text("a.csv", "x,z,y\n1,2,0\n3,nan,1\n"), "a.csv", "NaN"),
        ("one class", text("a.csv", "x,y\n1,7\n2,7\n"), "a.csv", "only one class, '7'"),
        ("too few rows", text("a.csv", "x,y\n1,0\n2,0\n3,1\n4,1\n"), "a.csv", "fewer than the 2 classes"),
        ("fewer rows than a batch", text("a.csv", table(40)), "a.csv --batch 30", "fewer than a batch of 30"),
        ("no such target", text("a.csv", table()), "a.csv --target clas", "'clas'"),
        ("which target", text("a.csv", "x,z\n1,0\n2,1\n"), "a.csv", "which column is the target"),
        ("empty file", text("a.csv", ""), "a.csv", "the file is empty"),
        ("broken image", broken_image, "pictures", "2.png"),
        ("pickle in npz", pickled_npz, "a.npz", "pickled objects, which could run code"),
        ("pickle as npz", text("a.npz", pickle.dumps([1])), "a.npz", "not an npz archive"),
        ("CSV as Parquet", text("a.parquet", "x,y\n1,0\n"), "a.parquet", "not Parquet"),
    ]
]

_DECIDES = "if inputs[0] > 0.5: qml.X(0)"
_FEEDBACK = "qml.cond(qml.measure(0), qml.X)(1)"
_LINEAR, _LAYER = "nn.Linear(features, 2)", "layer, nn.Linear"
_RETURNED = "[qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]"
_MODELS = [
    ("build raises", built("raise RuntimeError('no luck')"), "build() fails: RuntimeError: no luck"),
    ("build exits", built("raise SystemExit(0)"), "build() fails: SystemExit: 0"),
    ("build returns text", built("return 'model'"), "build() returned str, not a torch.nn.Module"),
    ("build has no signature", text("mine.py", "build = dict"), "build has no signature: ValueError"),
    ("no build", text("mine.py", "model = None"), "mine.py has no function build"),
    ("syntax error", built("return ("), "importing the model file fails: SyntaxError"),
    ("not UTF-8", text("mine.py", b"x = '\xff'"), "importing the model file fails: SyntaxError"),
    ("import fails", text("mine.py", "import no_such_package"), "No module named 'no_such_package'"),
    ("import exits", text("mine.py", "import sys; sys.exit('bye')"), "fails: SystemExit: bye"),
    ("wrong shape", edited("nn.Linear(2, classes)", "nn.Linear(2, 5)"), "the model returns (2, 5)"),
    ("wrong rows", ending("return x[:1]"), "the model returns 1 rows for 2 samples"),
    ("not finite", ending("return x / 0"), "output is not finite"),
    ("forward fails", ending("return x.nonsense()"), "forward pass fails: AttributeError"),
    ("no quantum layer", edited(_LAYER, "nn.Linear(2, 2), nn.Linear"), "the model has no quantum layer"),
    ("layer not called", ending("return x", skip=1), "forward pass runs no circuit"),
    ("decides on data", circuit_with(_DECIDES), "data-dependent control flow"),
    ("measures midway", circuit_with(_FEEDBACK), "mid-circuit measurement"),
    ("measures nothing", edited(_RETURNED, "inputs"), "the circuit returns Tensor, not measurements"),
    ("features over", edited(_LINEAR, "nn.Linear(features, 3)"), "forward pass fails: ValueError"),
]
_UNTRAINABLE = [
    ("nothing to train", ending("return x", freeze=True), "the model has nothing to train"),
    (
        "too wide",
        circuit_with("[qml.CNOT(wires=[k + 1, k]) for k in reversed(range(49))]"),
        "50 wires need 16,777,216.0 GiB",
    ),
]
MODELS = [
    *(Case(name, make, "train ./mine.py", what) for name, make, what in [*_MODELS, *_UNTRAINABLE]),
    *(Case(f"{name}, priced", make, "estimate-cost ./mine.py", what) for name, make, what in _MODELS),
]


def _digits(content: Any) -> None:
    content["data"].update(name="digits:0,1", target=None)


_RUNS = [
    ("no run.json", gone("run/run.json"), "run.json is missing"),
    ("half a run.json", truncated("run/run.json"), "run.json is not valid JSON"),
    ("empty run.json", text("run/run.json", ""), "run.json is not valid JSON"),
    ("binary run.json", text("run/run.json", b"\xff\xfe\x00"), "run.json is not valid JSON"),
    ("run.json nested too deep", text("run/run.json", "[" * 100_000), "run.json is not valid JSON"),
    ("run.json a list", record(lambda content: [content]), "run.json has schema None"),
    ("other schema", setting("schema", value="qcli.run/9"), "schema 'qcli.run/9', expected 'qcli.run/1'"),
    ("key missing", without("model"), "run.json: model: Field required"),
    ("inner key missing", without("data", "sha256"), "run.json: data.sha256: Field required"),
    ("unknown key", setting("comment", value="mine"), "run.json: comment: Extra inputs"),
    ("text for a number", setting("training", "epochs", value="many"), "run.json: training.epochs"),
    ("number for a list", setting("data", "classes", value=2), "run.json: data.classes"),
    ("batch of none", setting("training", "batch", value=0), "run.json: training.batch"),
    ("other options", setting("model", "options", "layers", value=2), "belongs to another model"),
    ("unknown option", setting("model", "options", value={"wire": 3}), "build() fails: TypeError"),
    ("other data", record(_digits), "the data have changed"),
    ("other split", setting("split", "seed", value=1), "the split of this run cannot be repeated"),
    (
        "unknown model",
        record(lambda content: content["model"].update(name="qcm", path=None)),
        "unknown model 'qcm'",
    ),
    (
        "path as model name",
        record(lambda content: content["model"].update(name="./mine.py", path=None)),
        "unknown model './mine.py'",
    ),
    ("test set grown", setting("split", "test", value=99), "the split of this run cannot be repeated"),
    ("classes renamed", setting("data", "classes", value=["c", "d"]), "run.json: data: not what the data"),
    ("other model file", setting("model", "sha256", value="0" * 64), "the model file has changed"),
    ("code in the run", foreign_code, "the model file lies in the run directory"),
    ("no weights yet", gone(WEIGHTS), "model.safetensors is missing"),
    ("half the weights", truncated(WEIGHTS), "model.safetensors is not a checkpoint"),
    ("empty weights", text(WEIGHTS, b""), "model.safetensors is not a checkpoint"),
    ("pickled weights", text(WEIGHTS, pickle.dumps([1])), "model.safetensors is not a checkpoint"),
    ("one bit wrong", flipped_bit(WEIGHTS), "model.safetensors is damaged"),
    ("not written by qcli", foreign_weights, "model.safetensors is not a checkpoint of qcli"),
    ("other model's weights", tensors(WEIGHTS, lambda t, _: t.clear()), "belongs to another model"),
    ("a tensor more", tensors(WEIGHTS, lambda t, _: t.update(extra=torch.zeros(1))), "extra is (1,)"),
    ("a tensor less", tensors(WEIGHTS, lambda t, _: t.pop("0.bias")), "0.bias is absent"),
    ("NaN weights", tensors(WEIGHTS, lambda t, _: t["0.bias"].fill_(torch.nan)), "0.bias is not finite"),
]
RUNS = [
    *(Case(f"{name}, rehearsed", make, f"{REHEARSE} --device sim", what) for name, make, what in _RUNS),
    *(Case(f"{name}, priced", make, "estimate-cost run", what) for name, make, what in _RUNS),
]

_NO = "seed-0.safetensors is not a training checkpoint"
_CHECKPOINTS = [
    ("half a checkpoint", truncated(CHECKPOINT), "seed-0.safetensors is not a checkpoint"),
    ("empty checkpoint", text(CHECKPOINT, b""), "seed-0.safetensors is not a checkpoint"),
    ("bit wrong in checkpoint", flipped_bit(CHECKPOINT), "seed-0.safetensors is damaged"),
    ("other shape", tensors(CHECKPOINT, lambda t, _: t.update({"model.0.bias": torch.zeros(7)})), "is (7,)"),
    ("no best weights", tensors(CHECKPOINT, lambda t, _: t.pop("best.0.bias")), "0.bias is absent"),
    ("no history", tensors(CHECKPOINT, lambda _, facts: facts.pop("history")), _NO),
    ("odd history", tensors(CHECKPOINT, lambda _, facts: facts.update(history=[{"epoch": 1}])), _NO),
    ("odd optimizer", tensors(CHECKPOINT, lambda t, _: t.update({"optimizer.x": torch.zeros(1)})), _NO),
    ("no random state", tensors(CHECKPOINT, lambda t, _: t.pop("rng")), _NO),
    ("half a run.json", truncated("run/run.json"), "run.json is not valid JSON"),
]
RESUMED = [
    Case(f"{name}, resumed", half_trained(make), "train --resume run", what)
    for name, make, what in _CHECKPOINTS
]

ALL = [*COMMANDS, *FORECASTS, *ESTIMATES, *DATA, *MODELS, *RUNS, *RESUMED]
