"""Kubeflow face of the validate step."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def validate(
    bundle: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    dataset: str,
    run_key: str,
    root: str,
    verdict: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """Judge a bundle on the test zone; give a signed verdict and a report."""
    from components.validate.step import validate

    names = {"family": family, "recipe": recipe, "dataset": dataset, "root": root, "run_key": run_key}
    facts = validate(bundle.path, examples.path, out=verdict.path, report=report.path, **names)
    metrics.metadata.update(facts["metrics"])
    return facts["outcome"]
