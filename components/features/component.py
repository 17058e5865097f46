"""Kubeflow face of the features step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, TOTO, step


@step(image=CPU)
def features(
    snapshot: dsl.Input[dsl.Dataset],
    run_key: str,
    root: str,
    features: dsl.Output[dsl.Dataset],
):
    """Compute the features of a snapshot, register them in Feast and fill the online store."""
    from components.features.materialize import build_features

    features.metadata.update(build_features(snapshot.path, out=features.path, root=root, run_key=run_key))


@step(image=TOTO)
def forecast(
    snapshot: dsl.Input[dsl.Dataset],
    family: str,
    dataset: str,
    recipe: str,
    run_key: str,
    root: str,
    forecasts: dsl.Output[dsl.Dataset],
) -> str:
    """Forecast each bar with Toto, as the recipe or else the champion says; where it is not at hand, say why."""
    from components.features.forecasting import build_forecasts

    names = {"family": family, "dataset": dataset, "recipe": recipe, "root": root, "run_key": run_key}
    facts = build_forecasts(snapshot.path, out=forecasts.path, **names)
    forecasts.metadata.update(facts)
    return facts["source"]


@step(image=CPU)
def features_with_forecasts(
    snapshot: dsl.Input[dsl.Dataset],
    forecasts: dsl.Input[dsl.Dataset],
    run_key: str,
    root: str,
    features: dsl.Output[dsl.Dataset],
):
    """Compute the features of a snapshot beside its forecasts, register them in Feast and fill the online store."""
    from components.features.materialize import build_features

    where = {"out": features.path, "root": root, "run_key": run_key}
    features.metadata.update(build_features(snapshot.path, forecasts=forecasts.path, **where))
