"""Promoters in processes of their own: some race each other, some are told to die on the way."""

import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import FrameType

from judged import lay_down, make_bundle, make_verdict

from components.core import bundle as bundles
from components.core import registry
from components.core.errors import ArtifactError, LedgerRaceError
from components.core.workspace import Workspace
from components.promote.promotion import enter, promote, roll_back

FAMILY, DATASET = "price_action", "toy"
WRITES = frozenset({"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir"})
STORE_CALLS = frozenset({
    "create_run", "log_batch", "log_artifacts", "log_artifact", "set_terminated", "create_registered_model",
    "create_model_version", "set_registered_model_alias", "delete_registered_model_alias",
})  # fmt: skip


def clock() -> datetime:
    return datetime(2026, 1, 5, 12, tzinfo=UTC)


def race(root: str, folder: Path, number: int, rounds: int, gate: Barrier, tell: Callable[[tuple], None]) -> None:
    """In every round, judge a bundle of one's own against the same champion as all others, then promote it."""
    workspace = Workspace.at(root)
    for turn in range(rounds):
        bundle = make_bundle(folder / f"{turn}-{number}", number, config={"turn": turn})
        gate.wait(120)
        verdict = make_verdict(bundle, DATASET, registry.history(workspace, FAMILY, DATASET))
        judged = lay_down(folder / f"{turn}-{number}-judged", verdict, workspace)
        gate.wait(120)
        try:
            enter(workspace, bundle, judged, dataset=DATASET, run_key=f"run-{turn}-{number}", clock=clock)
        except LedgerRaceError as error:
            tell((turn, number, str(error)))
        else:
            tell((turn, number, ""))


def enter_on_a_full_disk(root: str, bundle: str, judged: str, tell: Callable[[str], None]) -> None:
    """Promote where no file may grow beyond 100 bytes, and tell what went wrong."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    loaded = bundles.load(Path(bundle))
    try:
        enter(Workspace.at(root), loaded, Path(judged), dataset=DATASET, run_key="k", clock=clock)
    except ArtifactError as error:
        tell(str(error))


def die_at(fatal: int, root: str) -> None:
    """Kill this process, as ``kill -9`` would, at the ``fatal``-th of these moments; 0 is never.

    They are: before each change below the models or the ledger, and before and after each call that changes the
    tracking store.
    """
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        writes = event in WRITES
        if event == "open" and isinstance(arguments[2], int):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(arguments[0]).startswith((f"{root}/models/", f"{root}/ledger/")):
            count()

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        changes = code.co_name in STORE_CALLS and code.co_filename.endswith("mlflow/tracking/client.py")
        if changes and event in {"call", "return"}:
            count()

    sys.addaudithook(audit)
    sys.setprofile(profile)


def _alone(root: str, act: Callable[[], object], fatal: int) -> None:
    warnings.simplefilter("ignore")  # MLflow's own
    die_at(fatal, root)
    act()


def promote_until(root: str, bundle: str, judged: str, fatal: int) -> None:
    """Run the promote step, and die on the way."""
    _alone(root, lambda: promote(bundle, judged, FAMILY, DATASET, root=root, run_key="k"), fatal)


def roll_back_until(root: str, fatal: int) -> None:
    """Roll back, and die on the way."""
    _alone(root, lambda: roll_back(Workspace.at(root), FAMILY, DATASET, clock=clock), fatal)
