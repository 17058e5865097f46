"""Ingest once in a process of its own: ``python ingest_child.py ROOT SOURCE MAX_RESTATED [FILE_BYTES]``.

With FILE_BYTES no file may grow beyond that, as on a disk that is full.
"""

import resource
import sys

from components.ingest.snapshot import ingest

root, source, max_restated, *limit = sys.argv[1:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
facts = ingest(
    source, symbols="", asof="2024-12-31", dataset="shares", faults="refuse", layout="",
    max_restated=float(max_restated),
    context="",
    options="",
    out=f"{root}/out-{limit}", quality=f"{root}/quality-{limit}.html", root=root, run_key="child",
)  # fmt: skip
sys.stdout.write(facts["digest"])
