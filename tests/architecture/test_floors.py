"""The house stands: each import rule is seen to fail when it is broken on purpose."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("cli", "components", "feature_repo", "images", "pipelines")

BREACHES = {
    "rule 1, floors": ("components/market/columns.py", "import components.learning", "market"),
    "rule 1, an undeclared folder": ("components/extras/__init__.py", "", "extras"),
    "rule 2, families": ("components/families/other/__init__.py", "import components.families.price_action", "other"),
    "rule 3, steps": ("components/train/fit.py", "import components.promote", "promote"),
    "rule 4, kfp": ("components/train/fit.py", "import kfp", "kfp"),
    "rule 1, serving and market": ("components/serving/loader.py", "import components.market.windows", "market"),
    "serving without what is heavy": ("components/serving/source.py", "import pandas", "pandas"),
    "scoring without torch": ("components/score/rows.py", "import torch", "torch"),
    "the product without its images": ("pipelines/local.py", "import images.roles", "images"),
    "rule 4, torch below": ("components/market/splits.py", "import torch", "torch"),
}


def copy_of(top: Path, folder: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(top / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(top / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200"},
    )  # fmt: skip


def test_the_house_as_it_stands_keeps_every_rule(top: Path, tmp_path: Path) -> None:
    result = lint(copy_of(top, tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_each_breach_turns_the_check_red(top: Path, tmp_path: Path, breach: tuple[str, str, str]) -> None:
    path, line, named = breach
    folder = copy_of(top, tmp_path)
    target = folder / path
    target.parent.mkdir(exist_ok=True)
    before = target.read_text() if target.exists() else ""
    target.write_text(f"{before}\n{line}\n")
    result = lint(folder)
    assert result.returncode != 0
    assert named in result.stdout + result.stderr


def imported(program: str, folder: Path) -> set[str]:
    """Return the top-level packages that a fresh interpreter holds after running ``program``."""
    result = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        cwd=folder, capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    return {name.partition(".")[0] for name in result.stdout.split()}


def test_declarations_and_pipelines_load_nothing_heavy(top: Path) -> None:
    families = "from components.core import family\nfamily.every()"
    assert not imported(families, top) & {"torch", "pandas", "mlflow", "feast", "kfp", "pyarrow", "numpy"}
    pipelines = "import pipelines.training, pipelines.compile, pipelines.local, pipelines.lint\n" + families
    assert not imported(pipelines, top) & {"torch", "pandas", "mlflow", "feast"}


def test_help_loads_no_library_but_click(top: Path) -> None:
    heavy = {"torch", "pandas", "mlflow", "feast", "kfp", "numpy", "pyarrow", "rich", "pydantic", "yaml"}
    program = "from cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert not imported(program, top) & heavy


def test_rule_5_a_copied_folder_is_a_new_family(top: Path, tmp_path: Path) -> None:
    folder = copy_of(top, tmp_path)
    shutil.copytree(folder / "components/families/price_action", folder / "components/families/other")
    for path in (folder / "components/families/other").glob("*.py"):
        path.write_text(path.read_text().replace("price_action", "other"))
    program = (
        "from pipelines.compile import compiled\nfrom feature_repo.definitions import definitions\n"
        "from pathlib import Path\n"
        "print(sorted(compiled()), [item.name for item in definitions(Path('.')).services])"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=600,
        env={"PYTHONPATH": str(folder), "PATH": ""},
    )  # fmt: skip
    pipelines, services = (set(re.findall(r"'(.+?)'", part)) for part in result.stdout.split("] "))
    assert {"other", "other-scoring", "price-action", "price-action-scoring"} <= pipelines
    assert {"other_v1", "price_action_v1", "predictions_other_v1", "predictions_price_action_v1"} <= services


BANNED = ("pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal")
BANNED_CALLS = ("torch.load(", ".load_model(", "torch.jit.load(", "allow_pickle=True", "read_pickle(", "eval(", "exec(")


def test_no_code_path_unpickles(top: Path) -> None:
    for package in PACKAGES:
        for path in (top / package).rglob("*.py"):
            text = path.read_text()
            for name in BANNED:
                assert f"import {name}" not in text, f"{path} imports {name}"
                assert f"from {name}" not in text, f"{path} imports from {name}"
            for call in BANNED_CALLS:
                assert call not in text.replace(".eval()", ""), f"{path} calls {call}"
