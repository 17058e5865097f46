"""Kubeflow face of the train step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, GPU, step


@step(image=GPU)
def train(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    run_key: str,
    root: str,
    bundle: dsl.Output[dsl.Model],
):
    """Train one family; killed at any moment, the same run key resumes and ends in the same bits."""
    from components.train.fit import fit

    bundle.metadata.update(fit(examples.path, family, recipe, out=bundle.path, root=root, run_key=run_key))


@step(image=CPU)
def launch(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    image: str,
    resources: str,
    run_key: str,
    root: str,
    bundle: dsl.Output[dsl.Model],
):
    """Let a training job of several hosts, or of hosts that may be taken away, train; here, where no cluster is."""
    from components.train.launching import launch

    where = {"out": bundle.path, "root": root, "run_key": run_key}
    bundle.metadata.update(launch(examples.path, family, recipe, image, resources, **where))


@step(image=GPU)
def fine_tune_stocks(
    examples: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    family: str,
    recipe: str,
    run_key: str,
    root: str,
    bundles: dsl.Output[dsl.Model],
):
    """Train the base model on for each stock by itself; killed at any moment, the same run key resumes."""
    from components.train.each import train_each

    where = {"out": bundles.path, "root": root, "run_key": run_key}
    bundles.metadata.update(train_each(examples.path, family, recipe, "stocks", base=base.path, **where))


@step(image=GPU)
def train_pairs(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    run_key: str,
    root: str,
    bundles: dsl.Output[dsl.Model],
):
    """Fit all portfolios as one batch; killed at any moment, the same run key resumes."""
    from components.train.each import train_each

    where = {"out": bundles.path, "root": root, "run_key": run_key}
    bundles.metadata.update(train_each(examples.path, family, recipe, "pairs", **where))


@step(image=GPU)
def fine_tune(
    examples: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    dataset: str,
    shard: int,
    num_shards: int,
    run_key: str,
    root: str,
    bundle: dsl.Output[dsl.Model],
):
    """Fit one shard of a fleet of twins; what did not change since the last time is not fitted again."""
    from components.train.fine_tune import fine_tune

    share = {"shard": shard, "num_shards": num_shards}
    facts = fine_tune(examples.path, family, recipe, dataset, **share, out=bundle.path, root=root, run_key=run_key)
    bundle.metadata.update(facts)
