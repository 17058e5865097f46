"""The plants of the drill, in the order in which they are judged: the good one first, the changed champion last."""

# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportUnknownMemberType=false
import json
import shutil
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np

from components.core import bundle as bundles
from components.core.errors import PromotionRefusedError
from components.core.family import Family
from components.core.files import read_json, write_json
from components.core.judge import GateConfig, JudgeConfig
from components.core.span import Span
from components.core.trials import Trial, record
from components.core.verdict import VERDICT, read_verified, write
from components.validate.kinds import kind_of
from pipelines.drill import BarrenFieldError, Field, Plant
from pipelines.plants import WEIGHTS, Mould, PeekingFamily, leaking_tables
from pipelines.proving import RUN_KEY, Ground, judge, prepare, promote, train

PLANTED, NOISE, LEAKING = "planted", "noise", "leaking"
NUM_SEARCHES: Final = 50
SEED: Final = 11
_FIRST: Final = 100  # seed of the first search


def sow(field: Field) -> None:
    """Write the examples of three markets, and a trained model for two of them.

    One has a truth, one is noise, and one has a truth and a feature that tells of tomorrow.
    """
    truth = field.family.truth
    if truth is None:
        raise BarrenFieldError(f"{field.family.name} declares no market of known truth")
    for dataset, source in ((PLANTED, truth.planted), (NOISE, truth.noise)):
        prepare(field.ground(dataset), field.family, field.recipe, f"{source}&seed={SEED}")
    leaking = f"{truth.planted}&seed={SEED}"
    prepare(field.ground(LEAKING), field.family, field.recipe, leaking, tables=leaking_tables)
    for dataset in (PLANTED, LEAKING):
        train(field.ground(dataset), field.family, field.recipe)


def _trained(field: Field, dataset: str) -> Path:
    return field.ground(dataset).bundle


@cache
def _mould(pattern: Path, examples: Path) -> Mould:
    return Mould(bundles.load(pattern), examples)


def _on(field: Field, dataset: str) -> Mould:
    return _mould(field.ground(PLANTED).bundle, field.ground(dataset).examples)


def _made(field: Field, name: str) -> Path:
    return field.folder / "bundles" / name


def _random(field: Field) -> Path:
    mould = _on(field, PLANTED)
    return mould.seal(_made(field, "random"), mould.random(1)).folder


def _constant(field: Field) -> Path:
    mould = _on(field, PLANTED)
    return mould.seal(_made(field, "constant"), mould.constant()).folder


def _undefined(field: Field) -> Path:
    mould = _on(field, PLANTED)
    return mould.seal(_made(field, "undefined"), mould.undefined()).folder


def _by_heart(field: Field) -> Path:
    mould = _on(field, NOISE)
    model, right = mould.by_heart()
    if right < 0.9:  # noqa: PLR2004 - else it shows nothing
        raise BarrenFieldError(f"only {right:.0%} of the windows were learned by heart; that is no overfit model")
    return mould.seal(_made(field, "by-heart"), model).folder


def _searched(field: Field, ground: Ground, mould: Mould, number: int) -> float:
    """Return the score on the test zone of one network that nobody trained, once it is in the ledger of trials."""
    bundle = mould.seal(_made(field, f"search-{number}"), mould.random(_FIRST + number), graph=False)
    table = field.family.module("predict").predict(bundle, ground.examples, zone="test", threads=1)
    kind = kind_of(table)
    zone, manifest = kind.zone(table), mould.data.manifest
    score = kind.trial_score(zone, None, field.recipe.judge)
    trial = Trial(
        kind="tune", run_key=RUN_KEY, bundle=bundle.digest, recipe=field.recipe.digest(), examples=manifest["digest"],
        span=Span.of_zone(manifest, "test"), num_times=zone.num_times, score=score if np.isfinite(score) else None,
    )  # fmt: skip
    record(ground.workspace.trials(field.family.name, ground.dataset), trial)
    return score if np.isfinite(score) else -np.inf


def _best_of_many(field: Field) -> Path:
    """Return the bundle with the highest Sharpe ratio on the test zone of many networks that nobody trained."""
    mould, ground = _on(field, NOISE), field.ground(NOISE)
    scores = [_searched(field, ground, mould, number) for number in range(NUM_SEARCHES)]
    return mould.seal(_made(field, "best-of-many"), mould.random(_FIRST + int(np.argmax(scores)))).folder


def _another_graph(field: Field) -> Path:
    mould = _on(field, PLANTED)
    return mould.seal(_made(field, "another-graph"), mould.nudged(1e-2), graph=False).folder


def _peeking(family: Family) -> Family:
    return PeekingFamily(**{name: getattr(family, name) for name in family.__dataclass_fields__})


def _lenient(config: JudgeConfig) -> JudgeConfig:
    return config.model_copy(update={"gates": (GateConfig(metric="auc", bound=0.0),)})


def _swap_bundle(field: Field, bundle: Path, judged: Path) -> tuple[Path, Path]:
    return _made(field, "random"), judged


def _flip_bit(_: Field, bundle: Path, judged: Path) -> tuple[Path, Path]:
    copy = bundle.with_name(f"{bundle.name}-flipped")
    shutil.copytree(bundle, copy)
    content = bytearray((copy / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / WEIGHTS).write_bytes(content)
    return copy, judged


def _forge(_: Field, bundle: Path, judged: Path) -> tuple[Path, Path]:
    signed = read_json(judged / VERDICT)
    text = json.dumps(signed["verdict"]).replace('"fail"', '"pass"').replace('"insufficient evidence"', '"pass"')
    write_json(judged / VERDICT, {**signed, "verdict": json.loads(text)})
    return bundle, judged


def _sign_elsewhere(field: Field, bundle: Path, judged: Path) -> tuple[Path, Path]:
    verdict = read_verified(judged / VERDICT, field.ground(PLANTED).verify_key)
    write(judged / VERDICT, verdict, field.folder / "elsewhere" / "verdict.pem")
    return bundle, judged


def _nudged(field: Field, name: str, by: float) -> Path:
    mould = _on(field, PLANTED)
    return mould.seal(_made(field, name), mould.nudged(by)).folder


def _change_champion(field: Field, bundle: Path, judged: Path) -> tuple[Path, Path]:
    ground, other = field.ground(PLANTED), _nudged(field, "usurper", 2e-4)
    verdict = field.folder / "verdicts" / "usurper"
    judge(ground, field.family, field.recipe, other, verdict)
    outcome, refusal = promote(ground, field.family, other, verdict)
    if outcome != "promoted":
        raise PromotionRefusedError(f"the champion could not be changed, so nothing was tried: {refusal}")
    return bundle, judged


PLANTS: Final = (
    Plant(name="good", story="trained on a planted truth", dataset=PLANTED, wanted="promoted",
          bundle=partial(_trained, dataset=PLANTED)),
    Plant(name="leaking feature", story="one feature is tomorrow's move", dataset=LEAKING,
          bundle=partial(_trained, dataset=LEAKING), meant_gate="feature_causality"),
    Plant(name="peeking model", story="its predictions lean to the label", dataset=PLANTED,
          bundle=partial(_trained, dataset=PLANTED), family=_peeking, meant_gate="answer_causality"),
    Plant(name="random", story="nobody trained it", dataset=PLANTED, bundle=_random),
    Plant(name="constant", story="it says the same of every window", dataset=PLANTED, bundle=_constant),
    Plant(name="overfit", story="it knows training windows of noise by heart", dataset=NOISE, bundle=_by_heart),
    Plant(name="best of many", story=f"the luckiest of {NUM_SEARCHES} on the test zone of noise", dataset=NOISE,
          bundle=_best_of_many, meant_gate="deflated_sharpe"),
    Plant(name="another graph", story="its served graph is not its network", dataset=PLANTED,
          bundle=_another_graph, meant_gate="export_parity"),
    Plant(name="not a number", story="one weight is NaN", dataset=PLANTED, bundle=_undefined,
          meant_words="not finite"),
    Plant(name="weaker judge", story="a random model before a judge that asks for an AUC above 0", dataset=PLANTED,
          bundle=lambda field: _made(field, "random"), judge=_lenient,
          meant_words="asks less"),
    Plant(name="tampered bundle", story="the good one, one bit of its weights flipped after the verdict",
          dataset=PLANTED, bundle=partial(_trained, dataset=PLANTED), between=_flip_bit,
          meant_words="sha256 differs"),
    Plant(name="another's verdict", story="a random model with the verdict of the good one", dataset=PLANTED,
          bundle=partial(_trained, dataset=PLANTED), between=_swap_bundle,
          meant_words="verdict is for bundle"),
    Plant(name="forged verdict", story="a fail that was made a pass by hand", dataset=PLANTED,
          bundle=lambda field: _made(field, "random"), between=_forge,
          meant_words="signature does not fit"),
    Plant(name="foreign key", story="the good one's verdict, signed by somebody else", dataset=PLANTED,
          bundle=partial(_trained, dataset=PLANTED), between=_sign_elsewhere,
          meant_words="signature does not fit"),
    Plant(name="changed champion", story="a good challenger, judged against the champion before", dataset=PLANTED,
          bundle=partial(_nudged, name="challenger", by=1e-4), between=_change_champion,
          meant_words="champion changed"),
)  # fmt: skip
"""Every way of being bad that we thought of, and one of being good."""
