"""Kubeflow face of the tune step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, GPU, step


@step(image=GPU)
def tune(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    dataset: str,
    num_trials: int,
    worker: int,
    run_key: str,
    root: str,
    trials: dsl.Output[dsl.Artifact],
):
    """Carry out trials of one search beside other workers; those of a worker that is killed are tried again."""
    from components.tune.step import tune

    share = {"num_trials": num_trials, "worker": worker}
    facts = tune(examples.path, family, recipe, dataset, **share, out=trials.path, root=root, run_key=run_key)
    trials.metadata.update(facts)


@step(image=CPU)
def collect(
    share_0: dsl.Input[dsl.Artifact],
    share_1: dsl.Input[dsl.Artifact],
    family: str,
    recipe: str,
    num_trials: int,
    run_key: str,
    root: str,
    best: dsl.Output[dsl.Artifact],
):
    """Gather the trials of all workers and write the recipe of the best."""
    from components.tune.step import collect

    places = {"out": best.path, "root": root, "run_key": run_key}
    facts = collect([share_0.path, share_1.path], family, recipe, num_trials=num_trials, **places)
    best.metadata.update(facts)
