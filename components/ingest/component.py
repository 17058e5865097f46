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
    faults: str,
    layout: str,
    max_restated: float,
    context: str,
    options: str,
    run_key: str,
    root: str,
    snapshot: dsl.Output[dsl.Dataset],
    quality: dsl.Output[dsl.HTML],
):
    """Read bars and the tables beside them, check every row, keep an immutable snapshot and a quality report."""
    from components.ingest.snapshot import ingest

    facts = ingest(
        source,
        symbols=symbols,
        asof=asof,
        dataset=dataset,
        faults=faults,
        layout=layout,
        max_restated=max_restated,
        context=context,
        options=options,
        out=snapshot.path,
        quality=quality.path,
        root=root,
        run_key=run_key,
    )
    snapshot.metadata.update(facts)
