"""Kubeflow face of the publish step."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.wiring import CPU, step


@step(image=CPU)
def publish(
    families: str,
    dataset: str,
    bucket: str,
    region: str,
    skip_upload: bool,
    run_key: str,
    root: str,
    published: dsl.Output[dsl.Artifact],
):
    """Copy the champions of a dataset to a folder and to object storage; write ``latest.json`` last."""
    from components.publish.publication import publish

    facts = publish(
        families,
        dataset,
        bucket=bucket,
        region=region,
        skip_upload=skip_upload,
        out=published.path,
        root=root,
        run_key=run_key,
    )
    published.metadata.update(facts)
