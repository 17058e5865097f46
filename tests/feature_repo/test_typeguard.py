"""Feast's classes are as they are written: typeguard does not rewrite them, and does what anybody else asks of it."""

import subprocess
import sys

OPENED = """
import feature_repo.store
import feast
for written in (feast.FeatureView.__init__, feast.OnDemandFeatureView.to_proto, feast.FeatureService.__init__):
    assert "TypeCheckMemo" not in written.__code__.co_names, written

import typeguard

@typeguard.typechecked
def doubled(number: int) -> int:
    return 2 * number

assert doubled(2) == 4
try:
    doubled("2")
except typeguard.TypeCheckError as error:
    print(error)
"""


def test_feast_is_imported_without_checks_of_typeguard_and_others_get_theirs(tmp_path) -> None:
    script = tmp_path / "opened.py"
    script.write_text(OPENED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == 'argument "number" (str) is not an instance of int\n'
