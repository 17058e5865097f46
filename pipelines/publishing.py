"""The publishing pipeline: the champions of a dataset to where their consumers look for them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

from kfp import dsl

from components.publish import BUCKET, FAMILIES, REGION
from components.publish.component import publish
from components.wiring import SMALL, may_use_object_store, may_verify, place

PUBLISHING = "publish-models"


@dsl.pipeline(name=PUBLISHING, description="The champions of a dataset, and latest.json that points to them.")
def publishing_pipeline(  # noqa: PLR0917 - these are the fields of the run form
    dataset: str,
    families: str = FAMILIES,
    bucket: str = BUCKET,
    region: str = REGION,
    skip_upload: bool = False,
    run_key: str = "manual",
    root: str = "/qf",
):
    """Publish the champions of ``dataset``."""
    released = publish(
        families=families,
        dataset=dataset,
        bucket=bucket,
        region=region,
        skip_upload=skip_upload,
        run_key=run_key,
        root=root,
    )
    place(released, SMALL, cached=False)
    may_verify(released)
    may_use_object_store(released)
