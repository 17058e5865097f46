PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKOV := .venv-checkov
TOTO := .venv-toto
STAMP := $(VENV)/.installed-$(shell cat requirements/lock.txt requirements/torch.txt pyproject.toml | sha256sum | cut -c1-16)
TWO := -n 2 --dist loadfile --no-loadscope-reorder
LATER ?= slow or realdata
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Two test processes share the cores: a thread that waits for another must not spin, or both take ten times as long.
test test-slow test-docker: export OMP_WAIT_POLICY := PASSIVE

.PHONY: run test test-slow test-toto test-alone test-docker images check manifests checkov lock lock-images clean

run: $(STAMP)  ## the price-action pipeline, end to end, on a synthetic market
	$(BIN)/qf run price-action --recipe smoke

test: $(STAMP)  ## the quick tests
	$(BIN)/python -m pytest $(TWO)

test-slow: $(STAMP)  ## the tests that take minutes, and those on real data where it lies beside the project
	$(BIN)/python -m pytest $(TWO) -m "$(LATER)"

test-toto: $(STAMP) $(TOTO)/.installed  ## Datadog's own package, beside ours, on a tiny random checkpoint
	$(TOTO)/bin/python -m pytest -m toto tests/features

# Its packages come on top of those of $(VENV), which stays without them.
$(TOTO)/.installed: requirements/toto.txt
	$(PYTHON) -m venv --clear $(TOTO)
	$(TOTO)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/toto.txt
	printf "import site; site.addsitedir('%s')\n" $(CURDIR)/$(VENV)/lib/python3.11/site-packages \
	  > $(TOTO)/lib/python3.11/site-packages/beneath.pth
	touch $@

images: $(STAMP)  ## build every container image, on a clean machine too
	$(BIN)/python -m images build

test-alone: $(STAMP)  ## the tests that want the machine to themselves: Ray starts within half a minute or not at all
	$(BIN)/python -m pytest -m alone

test-docker: $(STAMP)  ## build the images and run the price-action pipeline in them, without a network
	$(BIN)/python -m pytest -m docker

check: $(STAMP) manifests  ## style, types, import rules, compiled pipelines, images, manifests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports
	$(BIN)/qf compile --check
	$(BIN)/python -m images check

manifests: $(STAMP)  ## every overlay of manifests/ builds and keeps our rules
	$(BIN)/python -m pipelines.manifests

checkov: $(STAMP) $(CHECKOV)/.installed  ## a second opinion on the manifests; its hundred packages have a place of their own
	mkdir -p build/manifests
	for folder in manifests/overlays/kind manifests/overlays/production $(wildcard manifests/jobs/*); do \
	  $(BIN)/kubectl kustomize $$folder > build/manifests/$$(basename $$folder).yaml || exit 1; done
	$(CHECKOV)/bin/checkov --config-file manifests/checkov.yaml --directory build/manifests

$(CHECKOV)/.installed: requirements/checkov.txt
	$(PYTHON) -m venv --clear $(CHECKOV)
	$(CHECKOV)/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/checkov.txt
	touch $@

$(STAMP):
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet -r requirements/torch.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lock:  ## resolve again; needs uv
	uv pip compile pyproject.toml requirements/lock.in --extra dev --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-package torch --no-emit-index-url --no-emit-find-links -o requirements/lock.txt
	uv pip compile requirements/toto.in --no-deps --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements/toto.txt

lock-images: $(STAMP)  ## the part of the lock that each image installs
	$(BIN)/python -m images lock

clean:
	rm -rf $(VENV) $(CHECKOV) $(TOTO) .quantfoundry build
