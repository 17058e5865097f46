"""Kubeflow face of the validate step."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import JUDGE, step


@step(image=JUDGE)
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
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
    classification: dsl.Output[dsl.ClassificationMetrics],
) -> str:
    """Judge a bundle on the test zone; give a signed verdict, a report, its numbers and its curves."""
    from components.validate.step import validate

    names = {"family": family, "recipe": recipe, "dataset": dataset, "root": root, "run_key": run_key}
    places = {"out": verdict.path, "report": report.path, "summary": summary.path}
    facts = validate(bundle.path, examples.path, **places, **names)
    metrics.metadata.update(facts["metrics"])
    if "confusion" in facts:
        classification.log_confusion_matrix(**facts["confusion"])
    if "roc" in facts:
        classification.log_roc_curve(**facts["roc"])
    return facts["outcome"]


@step(image=JUDGE)
def observe(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    dataset: str,
    run_key: str,
    root: str,
    observed: dsl.Output[dsl.Artifact],
):
    """Measure the champion, and the drift of what it reads, on the days after those that it was judged on."""
    from components.validate.observing import observe

    names = {"family": family, "dataset": dataset, "root": root, "run_key": run_key}
    observe(examples.path, out=observed.path, **names)


@step(image=JUDGE)
def validate_each(
    bundles: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    part: str,
    run_key: str,
    root: str,
    verdicts: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
):
    """Judge each of many models on the test zone of its own examples; give each a signed verdict, one report of all."""
    from components.validate.each import validate_each

    names = {"family": family, "recipe": recipe, "part": part, "root": root, "run_key": run_key}
    facts = validate_each(bundles.path, examples.path, out=verdicts.path, report=report.path, **names)
    metrics.metadata.update(facts["metrics"])


@step(image=JUDGE)
def validate_twins(
    shard_0: dsl.Input[dsl.Model],
    shard_1: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    run_key: str,
    root: str,
    verdicts: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
):
    """Judge each twin of a fleet on the test zone of its stock; give each a signed verdict, and one report of all."""
    from components.validate.twins import validate_twins

    names = {"family": family, "recipe": recipe, "root": root, "run_key": run_key}
    shards = [shard_0.path, shard_1.path]
    facts = validate_twins(shards, examples.path, out=verdicts.path, report=report.path, **names)
    metrics.metadata.update(facts["metrics"])
