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
