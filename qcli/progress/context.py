"""What stages are handed: the plan, where they work, and whom they tell."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qcli.cluster.drive import Progress
from qcli.progress.plan import Progression
from qcli.progress.stage import Folder


@dataclass(frozen=True)
class Context:
    """Of one stage. `step(text)` tells what is done next, `seen(text, progress)` how far a part of it is."""

    plan: Progression
    folder: Folder
    work: Path
    step: Callable[[str], None] = lambda text: None
    seen: Callable[[str, Progress], None] = lambda text, progress: None
