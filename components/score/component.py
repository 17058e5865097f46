"""Kubeflow face of the score step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def score(
    features: dsl.Input[dsl.Dataset],
    family: str,
    dataset: str,
    every_window: bool,
    max_age_days: float,
    run_key: str,
    root: str,
    predictions: dsl.Output[dsl.Dataset],
) -> str:
    """Predict with the champion, or the baseline where there is none to trust, and fill the online store."""
    from components.score.batch import score

    names = {"family": family, "dataset": dataset, "root": root, "run_key": run_key}
    facts = score(features.path, out=predictions.path, every_window=every_window, max_age_days=max_age_days, **names)
    predictions.metadata.update(facts)
    return facts["reason"]
