#!/bin/sh
# Inside a build, with the staged files of one role at /mnt: its locked packages into /opt/venv, checked by their
# hashes. There is no network here, and none is needed.
set -eu
cd /mnt
python3 -m venv /opt/venv
install() {
  /opt/venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-index --find-links /mnt "$@"
}
# What builds the packages that are published as source comes first, locked like the rest.
sed -n '/^setuptools==/p;/^setuptools==/,/^[a-z]/{/^ /p}' requirements.txt >/tmp/first.txt
install --no-deps --require-hashes --requirement /tmp/first.txt
install --no-deps --require-hashes --no-build-isolation --use-pep517 --requirement requirements.txt
if [ -e torch.txt ]; then
  # The right build (CPU, CUDA) depends on where the image runs: its version is locked, not its hash.
  install --requirement torch.txt
fi
rm /tmp/first.txt
