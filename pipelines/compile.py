"""Compile every pipeline to the YAML that runs everywhere, and say where the committed file differs."""

import difflib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kfp import compiler

from components.core import family as families
from pipelines import COMPILED
from pipelines.training import training_pipeline


def compiled() -> dict[str, str]:
    """Return the text of every pipeline, by its name."""
    texts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for family in families.every():
            path = Path(folder) / f"{family.pipeline}.yaml"
            compiler.Compiler().compile(training_pipeline(family), str(path))
            texts[family.pipeline] = path.read_text(encoding="utf-8")
    return texts


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
