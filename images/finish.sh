#!/bin/sh
# Inside a build, with the staged sources at /mnt: the project into /opt/venv. Then pip goes: nothing is added later.
# finish.sh [NAME|NAME...]: what these packages ask for need not hold; a test runs them with the versions of the lock.
set -eu
cp -r /mnt /tmp/project
/opt/venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-index --no-deps \
  --no-build-isolation /tmp/project
/opt/venv/bin/python -m pip check > /tmp/check || test -s /tmp/check
if grep -Ev "^(${1:-nobody}) |^No broken requirements found\.$" /tmp/check; then exit 1; fi
rm /tmp/check
/opt/venv/bin/python -m pip uninstall --quiet --yes --disable-pip-version-check pip
rm -r /tmp/project
