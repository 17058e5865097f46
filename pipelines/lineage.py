"""From a promoted version back to the files that were read for it, by digest alone, each link checked.

What is walked was kept beside the version when it was promoted; the verdict's signature binds every digest on the way.
"""
# pyright: reportUnknownVariableType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.bundle import Bundle
from components.core.code import code_digest
from components.core.errors import ArtifactError, QuantfoundryError
from components.core.files import digest_of, read_json, sha256_of
from components.core.lineage import EXAMPLES, FEATURES, SNAPSHOT, features_digest
from components.core.registry import Promotion
from components.core.verdict import Verdict
from components.core.workspace import Workspace
from components.market.examples_manifest import examples_digest
from components.market.snapshot import read_manifest, read_snapshot
from components.market.synthetic import is_synthetic


@dataclass(frozen=True)
class Link:
    """One thing on the way, and the one before it that names its digest."""

    name: str
    digest: str
    """Full sha256; empty where there is none to tell."""
    note: str
    """What it is, in words; of a broken link, what is wrong and what to do."""
    broken: bool = False


def lineage(workspace: Workspace, promotion: Promotion) -> Iterator[Link]:
    """Yield the links from the verdict to the raw files; after a broken verdict there is nothing to go by."""
    try:
        verdict = promotion.verdict(workspace.verify_key)
    except QuantfoundryError as error:
        yield Link("verdict", promotion.entry["verdict"], str(error), broken=True)
        return
    yield Link("verdict", verdict.digest(), f"{verdict.verdict}, signature fits {workspace.verify_key}")
    evidence = promotion.evidence
    for name, digest, check in (
        ("bundle", verdict.bundle_digest, lambda: _bundle(promotion.load())),
        ("recipe", verdict.recipe_digest, lambda: _recipe(promotion.load(), verdict)),
        ("code", verdict.code_digest, lambda: _code(promotion.load(), verdict)),
        ("examples", verdict.examples_digest, lambda: _examples(evidence / EXAMPLES, promotion.load(), verdict)),
        ("features", verdict.features_digest, lambda: _features(evidence / FEATURES, verdict)),
        ("snapshot", verdict.snapshot_digest, lambda: _snapshot(evidence / SNAPSHOT, verdict)),
    ):
        yield _link(name, digest, check)
    yield from _sources(workspace, evidence / SNAPSHOT, verdict)


def _link(name: str, digest: str, check: Callable[[], str]) -> Link:
    try:
        return Link(name, digest, check())
    except QuantfoundryError as error:
        return Link(name, digest, str(error), broken=True)


def _must(path: Path, **pairs: tuple[object, object]) -> None:
    """Check that what a file says is what the verdict says.

    Raises:
        ArtifactError: If it is not.
    """
    for what, (found, wanted) in pairs.items():
        if found != wanted:
            raise ArtifactError(f"{path}: {what} is {found!s:.12}, the verdict names {wanted!s:.12}. It was replaced")


def _bundle(bundle: Bundle) -> str:
    return f"{len(bundle.manifest['files'])} files, each intact, in {bundle.folder}"


def _recipe(bundle: Bundle, verdict: Verdict) -> str:
    _must(bundle.folder, recipe=(digest_of(bundle.manifest["config"]), verdict.recipe_digest))
    return f"seed {bundle.manifest['config'].get('seed')}, kept whole in the bundle"


def _code(bundle: Bundle, verdict: Verdict) -> str:
    trained = bundle.manifest["notes"]["code"]
    before = "trained by the same" if trained == verdict.code_digest else f"trained by {trained}"
    here = "the same is installed here" if verdict.code_digest == code_digest() else f"here is {code_digest()}"
    return f"{before}, {here}; Python {verdict.python}, numpy {verdict.numpy}"


def _examples(path: Path, bundle: Bundle, verdict: Verdict) -> str:
    manifest = read_json(path)
    _must(
        path,
        digest=(examples_digest(manifest), verdict.examples_digest),
        features=(manifest["features_digest"], verdict.features_digest),
        snapshot=(manifest["snapshot_digest"], verdict.snapshot_digest),
    )
    _must(bundle.folder, examples=(bundle.manifest["data"].get("examples"), verdict.examples_digest))
    return f"{manifest['rows']:,} rows, {_days(manifest)}, of {manifest['service']}"


def _days(manifest: Mapping[str, Any]) -> str:
    zones = manifest["zones"].values()
    return f"{min(zone['first'] for zone in zones)[:10]} to {max(zone['last'] for zone in zones)[:10]}"


def _features(path: Path, verdict: Verdict) -> str:
    manifest = read_json(path)
    _must(
        path,
        digest=(features_digest(manifest), verdict.features_digest),
        snapshot=(manifest["snapshot_digest"], verdict.snapshot_digest),
    )
    return f"{len(manifest['files'])} views: {', '.join(name.removesuffix('.parquet') for name in manifest['files'])}"


def _snapshot(path: Path, verdict: Verdict) -> str:
    manifest = read_manifest(path)
    _must(
        path,
        digest=(manifest["digest"], verdict.snapshot_digest),
        seal=(manifest["seal"], verdict.snapshot_seal),
    )
    return f"{manifest['rows']:,} bars of {len(manifest['symbols'])} symbols, known at {manifest['asof'][:19]}Z"


def _sources(workspace: Workspace, path: Path, verdict: Verdict) -> Iterator[Link]:
    """Yield the files of the snapshot, whether it is still kept, and the files that were read for it."""
    try:
        manifest = read_manifest(path)
    except ArtifactError:
        return  # the link before this one is broken, and says why
    for name, facts in manifest["files"].items():
        yield Link("file", facts["sha256"], f"{name} of the snapshot, {facts['bytes']:,} bytes")
    if is_synthetic(manifest["source"]):
        yield Link("source", "", f"{manifest['source']}, which makes the same bars again")
        return
    store = workspace.snapshots(verdict.dataset)
    yield _link("kept", manifest["digest"], lambda: _kept(store / manifest["digest"]))
    yield from _read(manifest)
    while previous := manifest["increment"].get("previous"):
        yield _link("earlier", previous, lambda folder=store / previous: _kept(folder))
        try:
            manifest = read_manifest(store / previous / "manifest.json")
        except ArtifactError:
            return
        yield from _read(manifest)


def _kept(folder: Path) -> str:
    manifest = read_snapshot(folder)[1]
    if manifest["digest"] != folder.name:
        raise ArtifactError(f"{folder}: holds the snapshot {manifest['digest'][:12]}. Restore it from a backup")
    return f"in the store, each file intact: {folder}"


def _read(manifest: Mapping[str, Any]) -> Iterator[Link]:
    """Yield each file that was read, and what has become of it: the snapshot does not need it any more."""
    for item in manifest["inputs"]:
        yield Link("raw file", item["sha256"], f"{item['name']}, {item['rows']:,} rows, {_state(item)}")


def _state(item: Mapping[str, Any]) -> str:
    path = Path(item["name"])
    if not path.is_file():
        return "no longer here"
    return "unchanged" if sha256_of(path) == item["sha256"] else "changed since"
