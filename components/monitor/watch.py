"""The monitor step: from what was seen of the champion to a report, and to whether a training is asked for."""

from pathlib import Path
from typing import Any, Final

from components.core.errors import ArtifactError
from components.core.files import atomic_file, read_json
from components.core.run_context import open_run
from components.monitor.decision import Request, decide
from components.monitor.report import report_page

REQUEST: Final = "request.json"


def monitor(
    observed: str, *, family: str, dataset: str, out: str, report: str, root: str, run_key: str
) -> dict[str, Any]:
    """Write the request to ``out`` and to where the newest of its champion lies, the page to ``report``.

    Returns the request.

    Raises:
        SystemExit: With 65 if what was seen is of another family or dataset, or cannot be read.
    """
    with open_run("monitor", root=root, run_key=run_key) as run:
        seen = read_json(Path(observed) / "observed.json")
        if (seen["family"], seen["dataset"]) != (family, dataset):
            raise ArtifactError(f"{observed}: is of {seen['family']} on {seen['dataset']}. Observe {family} again")
        outcome, findings = decide(seen)
        request = Request(
            outcome=outcome, findings=findings, family=family, dataset=dataset,
            champion=seen["champion"] and seen["champion"]["bundle"], run_key=run_key,
            created=run.clock().isoformat(timespec="seconds"),
        )  # fmt: skip
        text, page = request.canonical().encode(), report_page(request, seen).encode()
        newest = run.workspace.monitoring(family, dataset)
        places = {Path(out) / REQUEST: text, newest: text, Path(report): page, run.folder / "monitor.html": page}
        for path, content in places.items():
            with atomic_file(path) as file:
                file.write(content)
        facts = request.model_dump(mode="json")
        run.record(**facts)
        return facts
