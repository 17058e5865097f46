"""The bill of materials of a finished image, in CycloneDX: every package of Python and of Debian that is in it."""

# py-serializable's decorator hides the types of the classes that it decorates:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false

import json

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from images.engine import Engine
from images.roles import Role

_ASK = """
import importlib.metadata, json, subprocess
form = "${Package} ${Version} ${Architecture}\\n"
debian = subprocess.run(["dpkg-query", "--show", "--showformat", form], capture_output=True, text=True, check=True)
python = [[item.name, item.version] for item in importlib.metadata.distributions()]
print(json.dumps({"pypi": python, "deb": [line.split() for line in debian.stdout.splitlines()]}))
"""


def _contents(engine: Engine, role: Role) -> list[PackageURL]:
    said = engine.run("run", "--rm", "--network", "none", "--read-only", role.image, "python3", "-c", _ASK)
    packages = json.loads(said)
    found = [PackageURL("pypi", name=canonicalize_name(name), version=version) for name, version in packages["pypi"]]
    for name, version, architecture in packages["deb"]:
        found.append(PackageURL("deb", "debian", name, version, {"arch": architecture}))
    return sorted(set(found), key=str)


def bill_of_materials(engine: Engine, role: Role, image_id: str) -> str:
    """Return the CycloneDX 1.6 JSON of an image; the same image gives the same components in the same order."""
    bom = Bom()
    bom.metadata.component = Component(name=role.image, version=image_id, type=ComponentType.CONTAINER)
    for url in _contents(engine, role):
        bom.components.add(
            Component(name=url.name, version=url.version, purl=url, bom_ref=str(url), type=ComponentType.LIBRARY)
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"
