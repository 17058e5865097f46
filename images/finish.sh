#!/bin/sh
# Inside a build, with the staged sources at /mnt: the project into /opt/venv. Then pip goes: nothing is added later.
set -eu
cp -r /mnt /tmp/project
/opt/venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-index --no-deps \
  --no-build-isolation /tmp/project
/opt/venv/bin/python -m pip check
/opt/venv/bin/python -m pip uninstall --quiet --yes --disable-pip-version-check pip
rm -r /tmp/project
