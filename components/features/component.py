"""Kubeflow face of the features step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


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
