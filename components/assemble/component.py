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
