"""The images, really built: what is in them, and the price-action line run in them without a network."""

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from line import SMALL, TINY, Line, kill

from components.core import bundle
from components.core.code import CODE_LABEL, code_digest
from components.core.errors import EnvironmentMissingError
from components.core.family import names
from components.wiring import USER
from images.build import BILLS, OCI, build
from images.engine import HOST, Engine, engine
from images.lint import LABELS
from images.lock import TORCH, pins
from images.roles import Role, roles
from pipelines import COMPILED, containers

pytestmark = pytest.mark.docker

PACKAGE = COMPILED / "price-action.yaml"
STEPS = ("ingest", "features", "assemble", "train", "validate", "promote")
LATER = {
    "python-cpu": ("mlflow", "redis.asyncio", "psycopg", "components.serving.graph", "components.market.compiled"),
    "python-judge": ("arch.bootstrap", *(f"components.families.{name}.predict" for name in names())),
    "python-gpu": (
        "components.train.gang",
        "components.tune.crew",
        *(f"components.families.{name}.train" for name in names()),
    ),
    "python-toto": ("toto.inference.forecaster", "components.features.forecasting", "components.features.toto"),
    "python-mlflow": ("mlflow.server.auth", "flask_wtf", "boto3", "psycopg", "tensorboard.main"),
}
"""What the steps of an image import only once they run, and the servers that are no steps."""
TORCHLESS = ("python-cpu", "python-mlflow")
CONFINED = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    """An engine with fresh images of all roles."""
    with engine() as one, pytest.MonkeyPatch.context() as patch:
        build(one, roles(), "", print)
        patch.setenv(HOST, one.environment.get(HOST, ""))  # empty: the default socket
        yield one


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, running: Engine) -> Line:
    return Line(tmp_path_factory.mktemp("boxed"))


@pytest.fixture(scope="module")
def first(line: Line) -> str:
    """What the run in containers printed that all look at."""
    return _run(line, "first", "--runner", "docker")


def _run(line: Line, key: str, *more: str) -> str:
    result = line.qf("run", "price-action", "--source", SMALL, "--run-key", key, *TINY, *more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _executors(path: Path) -> dict[str, dict[str, Any]]:
    return next(yaml.safe_load_all(path.read_text()))["deploymentSpec"]["executors"]


def _modules(role: Role) -> set[str]:
    """The modules that the steps of an image call into, over all compiled pipelines."""
    texts = [
        " ".join(executor["container"]["command"])
        for path in COMPILED.glob("*.yaml")
        for executor in _executors(path).values()
        if executor["container"]["image"] == role.image
    ]
    return {module for text in texts for module in re.findall(r"from (components\.\S+) import", text)}


@pytest.mark.parametrize("role", roles(), ids=lambda role: role.name)
def test_the_steps_of_an_image_can_be_imported_by_its_own_user_on_a_root_that_is_read_only(
    running: Engine, role: Role
) -> None:
    program = "import importlib, os, sys; list(map(importlib.import_module, sys.argv[1:])); print(*os.getresuid())"
    steps = sorted(_modules(role))
    called = [*steps, *(["kfp.dsl.executor_main"] if steps else []), *LATER[role.name]]
    said = running.run("run", "--rm", *CONFINED, role.image, "python3", "-c", program, *called)
    assert said.split()[-3:] == [str(USER)] * 3


@pytest.mark.parametrize("role", roles(), ids=lambda role: role.name)
def test_an_image_says_what_it_is_and_holds_no_secret_and_no_installer(running: Engine, role: Role) -> None:
    config = json.loads(running.run("inspect", role.image))[0]["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Healthcheck"] == {"Test": ["NONE"]}
    assert not config["Entrypoint"]
    assert all(config["Labels"][name] for name in (*LABELS, f"{OCI}.version"))
    assert config["Labels"][CODE_LABEL] == code_digest()
    assert re.fullmatch("sha256:[0-9a-f]{64}", config["Labels"][f"{OCI}.base.digest"])
    assert not [text for text in config["Env"] if re.search("secret|token|passw|key", text, re.IGNORECASE)]
    program = "import importlib.util as u; print([n for n in ('pip', 'torch') if u.find_spec(n)])"
    said = running.run("run", "--rm", *CONFINED, role.image, "python3", "-c", program).strip()
    assert said == ("[]" if role.name in TORCHLESS else "['torch']")


@pytest.mark.parametrize("role", roles(), ids=lambda role: role.name)
def test_the_bill_of_materials_names_every_locked_package_and_those_of_debian(running: Engine, role: Role) -> None:
    bill = json.loads((BILLS / f"{role.name}.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    held = {item["purl"] for item in bill["components"]}
    locked = {block.split(" ")[0] for block in pins(role.requirements.read_text()).values()}
    assert {f"pkg:pypi/{pin.replace('==', '@')}" for pin in locked} <= held
    assert any(text.startswith("pkg:deb/debian/python3.11@") for text in held)
    assert any(text.startswith(f"pkg:pypi/{TORCH}@2.13.0") for text in held) == (role.name not in TORCHLESS)


def test_the_whole_line_runs_in_its_images(line: Line, first: str) -> None:
    for step in STEPS:
        assert f"* {step}" in first
        [output] = (line.root / "runs" / "first").glob(f"artifacts/*/{step}/executor_output.json")
        given = json.loads(output.read_text()).get("artifacts", {})
        files = given.keys() - {"metrics", "classification"}  # which are metadata alone
        assert all(Path(given[name]["artifacts"][0]["uri"]).exists() for name in files)
    [sealed] = (line.root / "runs" / "first").glob("artifacts/*/train/bundle")
    assert bundle.load(sealed).digest == line.facts("first", "train")["digest"]
    assert len(line.ledger("trials")) == 1


def test_in_containers_and_in_this_environment_the_same_bits_come_out(line: Line, first: str, tmp_path: Path) -> None:
    here = Line(tmp_path / "here")
    _run(here, "first")
    for step, name in (("features", "digest"), ("assemble", "digest"), ("train", "digest"), ("validate", "outcome")):
        assert here.facts("first", step)[name] == line.facts("first", step)[name], step


def test_a_run_that_is_killed_leaves_its_container_to_the_next_which_ends_in_the_same_bits(
    line: Line, first: str
) -> None:
    again = ("run", "price-action", "--source", SMALL, "--run-key", "second", *TINY, "--runner", "docker")
    child = line.start(*again)
    line.wait_for("second", "train", "epoch 1/2")
    with contextlib.closing(docker.from_env()) as client:
        [left] = client.containers.list(filters={"label": f"{containers.RUN}=second"})
        confined = left.attrs["HostConfig"]
        kill(child)
        assert client.containers.list(filters={"label": f"{containers.RUN}=second"}) == [left]
        (line.root / "runs" / "second" / "progress.jsonl").unlink()
        child = line.start(*again)
        line.wait_for("second", "train", "started")
        child.send_signal(signal.SIGTERM)
        _, error = child.communicate(timeout=120)
        assert (child.returncode, "resumes" in error) == (75, True)
        assert client.containers.list(all=True) == []
    assert (confined["NetworkMode"], confined["ReadonlyRootfs"], confined["CapDrop"]) == ("none", True, ["ALL"])
    assert confined["SecurityOpt"] == ["no-new-privileges"]
    _run(line, "second", "--runner", "docker")
    assert line.facts("second", "train")["digest"] == line.facts("first", "train")["digest"]


def test_bad_data_in_a_file_outside_the_root_is_told_as_ever(line: Line, tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("symbol,date,open,high,low,close,volume\nAAA,2024-01-02,8.5,9,8,10,100\n")
    result = line.qf("run", "price-action", "--source", str(bars), "--run-key", "bad", "--runner", "docker")
    assert result.returncode == 65
    assert f"{bars}, row 1, column 'close'" in result.stderr


def test_an_image_that_is_not_there_or_holds_other_code_is_refused(running: Engine, tmp_path: Path) -> None:
    base = running.run("images", "--format", "{{.Repository}}:{{.Tag}}", "quantfoundry/base-python").split()[0]
    other = tmp_path / "other.yaml"
    for name, sentence in ((base, "holds other code"), ("quantfoundry/python-absent:1", "the engine has none")):
        other.write_text(re.sub(r"quantfoundry/python-\w+:[\d.]+", name, PACKAGE.read_text()))
        with pytest.raises(EnvironmentMissingError, match=sentence):
            containers.check(other)
    containers.check(PACKAGE)
