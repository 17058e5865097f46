"""Compile every pipeline to the YAML that runs everywhere, and say where the committed file differs."""

import difflib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kfp import compiler

from components.core import family as families
from pipelines import COMPILED, COMPLETE, PAIRS, PROFIT, TWIN, WEEKLY
from pipelines.monitoring import monitoring_pipeline
from pipelines.portfolios import complete_pipeline
from pipelines.publishing import PUBLISHING, publishing_pipeline
from pipelines.scoring import scoring_pipeline
from pipelines.training import training_pipeline
from pipelines.tuning import tuning_pipeline
from pipelines.twins import weekly_pipeline


def compiled() -> dict[str, str]:
    """Return the text of every pipeline, by its name."""
    # kfp looks through the whole stack at each setting of each task: in a thread of its own the stack is short.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(_texts).result()


def _texts() -> dict[str, str]:
    texts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, pipeline in _pipelines():
            path = Path(folder) / f"{name}.yaml"
            compiler.Compiler().compile(pipeline, str(path))
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def _pipelines() -> Iterator[tuple[str, Any]]:
    for family in families.every():
        yield family.pipeline, training_pipeline(family)
        if family.outputs:
            yield family.scoring_pipeline, scoring_pipeline(family)
            yield family.monitoring_pipeline, monitoring_pipeline(family)
        if not family.starts_from:
            yield family.tuning_pipeline, tuning_pipeline(family)
    yield PUBLISHING, publishing_pipeline
    yield WEEKLY, weekly_pipeline(families.find(TWIN))
    yield COMPLETE, complete_pipeline(families.find(PROFIT), families.find(PAIRS))


def write() -> list[Path]:
    """Write every compiled pipeline and return the paths; files of pipelines that are gone are removed."""
    texts = compiled()
    COMPILED.mkdir(exist_ok=True)
    for path in COMPILED.glob("*.yaml"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        (COMPILED / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [COMPILED / f"{name}.yaml" for name in texts]


def differences() -> Iterator[str]:
    """Yield the lines in which the committed files differ from a fresh compilation."""
    texts = compiled()
    for name in sorted(texts.keys() | {path.stem for path in COMPILED.glob("*.yaml")}):
        path = COMPILED / f"{name}.yaml"
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        yield from difflib.unified_diff(
            old.splitlines(keepends=True),
            texts.get(name, "").splitlines(keepends=True),
            f"committed/{path.name}",
            f"fresh/{path.name}",
        )
