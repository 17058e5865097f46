"""Kubeflow face of the assemble step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def assemble(
    features: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    run_key: str,
    root: str,
    examples: dsl.Output[dsl.Dataset],
):
    """Join features point in time with labels, and cut time into zones."""
    from components.assemble.examples import assemble

    facts = assemble(features.path, family, recipe, out=examples.path, root=root, run_key=run_key)
    examples.metadata.update(facts)


@step(image=CPU)
def assemble_groups(
    features: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    groups: str,
    part: str,
    run_key: str,
    root: str,
    examples: dsl.Output[dsl.Dataset],
):
    """Join features point in time with labels, for each group of symbols by itself; time is cut once for all."""
    from components.assemble.groups import assemble_groups

    where = {"out": examples.path, "root": root, "run_key": run_key}
    examples.metadata.update(assemble_groups(features.path, family, recipe, groups, part, **where))


@step(image=CPU)
def assemble_stocks(
    features: dsl.Input[dsl.Dataset],
    family: str,
    recipe: str,
    tickers: str,
    run_key: str,
    root: str,
    examples: dsl.Output[dsl.Dataset],
):
    """Join features point in time with labels, for each stock by itself; time is cut once for all."""
    from components.assemble.stocks import assemble_stocks

    facts = assemble_stocks(features.path, family, recipe, tickers, out=examples.path, root=root, run_key=run_key)
    examples.metadata.update(facts)
