"""Kubeflow face of the monitor step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def monitor(
    observed: dsl.Input[dsl.Artifact],
    family: str,
    dataset: str,
    run_key: str,
    root: str,
    request: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Say whether the champion must be trained again, with the reasons; give the request and a report."""
    from components.monitor.watch import monitor

    names = {"family": family, "dataset": dataset, "root": root, "run_key": run_key}
    return monitor(observed.path, out=request.path, report=report.path, **names)["outcome"]
