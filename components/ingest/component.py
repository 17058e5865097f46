"""Kubeflow face of the ingest step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def ingest(
    source: str,
    symbols: str,
    asof: str,
    dataset: str,
    layout: str,
    run_key: str,
    root: str,
    snapshot: dsl.Output[dsl.Dataset],
):
    """Read the bars of a source, check every row, keep an immutable snapshot."""
    from components.ingest.snapshot import ingest

    facts = ingest(source, symbols, asof, dataset, layout, out=snapshot.path, root=root, run_key=run_key)
    snapshot.metadata.update(facts)
