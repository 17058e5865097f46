"""One process of a gang: train the family that the request names, until done, stopped or left alone.

Started by ``torch.distributed.run`` as ``python -m components.train.worker <request.json>``.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from components.core import family as families
from components.core.errors import QuantfoundryError
from components.core.files import read_json, write_json
from components.core.run_context import ORPHAN_GRACE_S, PARENT, RunContext, Stop, die_with
from components.core.workspace import Workspace
from components.train.gang import ERROR


def work(request: dict[str, Any]) -> int:
    """Train as one of several and return the exit code; the first process writes the bundle."""
    first = os.environ["RANK"] == "0"
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    stop = Stop()
    stop.install()
    callers = [os.environ[PARENT]] if PARENT in os.environ else []  # on another host, only the launcher is near
    for caller in (*map(int, callers), os.getppid()):
        die_with(caller, stop, grace_s=ORPHAN_GRACE_S)
    workspace = Workspace.at(request["root"])
    events = workspace.run(request["run_key"]) / "progress.jsonl"

    def progress(**fields: object) -> None:
        if first:
            with events.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": "train", **fields}) + "\n")

    run = RunContext(step="train", run_key=request["run_key"], workspace=workspace, stop=stop, progress=progress)
    member = families.find(request["family"])
    try:
        config = member.config.parse_json(request["recipe"], name="recipe")
        member.module("train").train(config, Path(request["examples"]), Path(request["out"]), run)
    except QuantfoundryError as error:
        run.log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - the message is the remedy
        if not stop:
            write_json(Path(request["logs"]) / ERROR, {"message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(work(read_json(Path(sys.argv[1]))))
