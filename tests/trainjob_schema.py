"""The fields of a ``TrainJob`` that we use, as each version of Trainer allows them; anything else is refused.

Written by hand from the published CRDs of 2.0.0, 2.1.0, 2.2.0 and 2.3.0. Where the versions differ (overrides of the
pod, labels in the spec, deadlines) a schema names the field of its version only, so that a job which uses one fails
in the others.
"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

VERSIONS = ("2.0", "2.1", "2.2", "2.3")
NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
LABEL = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
LABEL_NAME = r"^([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"

AMOUNTS = {"type": "object", "additionalProperties": {"type": "string", "pattern": QUANTITY}}
LABELS = {
    "type": "object",
    "propertyNames": {"pattern": LABEL_NAME},
    "additionalProperties": {"type": "string", "pattern": LABEL},
}
NOTES = {
    "type": "object",
    "propertyNames": {"pattern": LABEL_NAME},
    "additionalProperties": {"type": "string"},
}
OVERRIDES = {"2.0": "podSpecOverrides", "2.1": "podTemplateOverrides", "2.2": "runtimePatches", "2.3": "runtimePatches"}


def _record(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


VARIABLE = _record(
    ["name", "value"],
    # The controller sets these itself and refuses them from users.
    name={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": "^PET_"}},
    value={"type": "string"},
)


@cache
def validator(version: str) -> Draft202012Validator:
    """Return the validator of one version of Trainer."""
    early = version in {"2.0", "2.1"}
    per_node: dict[str, Any] = {"type": ["integer", "string"]} if early else {"type": "integer"}
    trainer = _record(
        [],
        image={"type": "string", "minLength": 1},
        command={"type": "array", "items": {"type": "string"}},
        args={"type": "array", "items": {"type": "string"}},
        env={"type": "array", "items": VARIABLE, "maxItems": 128},
        numNodes={"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        numProcPerNode=per_node,
        resourcesPerNode=_record([], limits=AMOUNTS, requests=AMOUNTS),
    )
    own = {"labels": LABELS, "annotations": NOTES} if early else {"activeDeadlineSeconds": {"type": "integer"}}
    spec = _record(
        ["runtimeRef"],
        runtimeRef=_record(
            ["name"],
            apiGroup={"const": "trainer.kubeflow.org"},
            kind={"enum": ["TrainingRuntime", "ClusterTrainingRuntime"]},
            name={"type": "string", "pattern": NAME},
        ),
        trainer=trainer,
        suspend={"type": "boolean"},
        managedBy={"type": "string"},
        **{OVERRIDES[version]: {"type": "array"}},
        **own,
    )
    schema = _record(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "trainer.kubeflow.org/v1alpha1"},
        kind={"const": "TrainJob"},
        metadata=_record(
            ["name"],
            name={"type": "string", "pattern": NAME, "maxLength": 50},  # its pods' names must fit too
            namespace={"type": "string", "pattern": NAME},
            labels=LABELS,
            annotations=NOTES,
        ),
        spec=spec,
    )
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def violations(job: Any, version: str) -> list[str]:
    """Return what a version of Trainer would refuse of a job."""
    found = validator(version).iter_errors(job)
    return [f"{version}: {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
