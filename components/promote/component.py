"""Kubeflow face of the promote step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def promote(
    bundle: dsl.Input[dsl.Model],
    verdict: dsl.Input[dsl.Artifact],
    family: str,
    dataset: str,
    run_key: str,
    root: str,
) -> str:
    """Record the judged model; make it champion if its verdict, untampered and for this bundle, is a pass."""
    from components.promote.promotion import promote

    return promote(bundle.path, verdict.path, family, dataset, root=root, run_key=run_key)


@step(image=CPU)
def promote_each(
    verdicts: dsl.Input[dsl.Artifact],
    family: str,
    part: str,
    run_key: str,
    root: str,
    metrics: dsl.Output[dsl.Metrics],
):
    """Promote each of many models whose own verdict is a pass, under the name of its own market; record all."""
    from components.promote.each import promote_each

    metrics.metadata.update(promote_each(verdicts.path, family, part, root=root, run_key=run_key))


@step(image=CPU)
def promote_twins(
    verdicts: dsl.Input[dsl.Artifact],
    family: str,
    dataset: str,
    run_key: str,
    root: str,
    metrics: dsl.Output[dsl.Metrics],
):
    """Promote each twin whose own verdict is a pass; record all of them in MLflow and in the week's log."""
    from components.promote.twins import promote_twins

    metrics.metadata.update(promote_twins(verdicts.path, family, dataset, root=root, run_key=run_key))
