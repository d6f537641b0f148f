# `make help` lists the targets. Each target installs what it needs; if that is installed already, this takes no time.

VENV := .venv
LABEL_STUDIO_VENV := .venv-label-studio
AUDIT_VENV := .venv-audit
BIN := $(VENV)/bin
EXTRAS := requirements-formats.txt requirements-report.txt requirements-ray.txt
QUICK := 'not gpu and not slow and not label_studio and not browser'
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder
export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo check quick test lint bench train lock audit sbom clean redis chromium nginx prometheus

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Options:  ARGS='...' for demo, check, quick, test, bench, train;  PYTHON=/path/to/python for the first setup;"
	@echo "            FAMILIES=mobile_sam,edgetam,... for bench, into docs/benchmarks_models.md;"
	@echo "            SYSTEM_PACKAGES=no to skip installing redis-server, chromium, nginx and prometheus"

setup: $(VENV)/.runtime-is-installed ## Install what the backend and its commands need into .venv

demo: $(VENV)/.runtime-is-installed $(LABEL_STUDIO_VENV)/.is-installed redis ## Run Label Studio with a connected backend; Ctrl-C stops it
	$(BIN)/python -m scripts.demo $(ARGS)

check: $(VENV)/.runtime-is-installed $(LABEL_STUDIO_VENV)/.is-installed redis ## Run the demo end to end, unattended: click, accept, export, compare
	$(BIN)/python -m scripts.demo --check $(ARGS)

quick: $(VENV)/.tools-are-installed redis ## Run the fast tests, two minutes on two cores: no Label Studio, browser, gunicorn or training
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(BY_FILE) -m $(QUICK) $(ARGS)

test: $(VENV)/.tools-are-installed $(LABEL_STUDIO_VENV)/.is-installed redis chromium nginx prometheus ## Run every test, with a real Redis, Label Studio, browser, nginx and Prometheus
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(BY_FILE) $(ARGS)

lint: $(VENV)/.tools-are-installed ## Check style (ruff) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tools-are-installed ## Benchmark against SAM's and Label Studio's code, into docs/benchmarks.md; FAMILIES=A,B: models
	$(BIN)/python -m scripts.benchmark $(if $(FAMILIES),--families $(FAMILIES)) $(ARGS)

train: $(VENV)/.runtime-is-installed ## Train the demo models again from their seed (hours on a CPU)
	$(BIN)/python -m scripts.train_demo_models $(ARGS)

lock: $(AUDIT_VENV)/.is-installed ## Write the digests of all packages of the container into the lock files
	$(AUDIT_VENV)/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		requirements.txt requirements-models.txt -c constraints.txt -o requirements.lock
	$(AUDIT_VENV)/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
		--no-deps requirements-label-studio-ml.txt -o requirements-label-studio-ml.lock

audit: $(AUDIT_VENV)/.is-installed ## Look up known vulnerabilities of the container's packages; fails if one cannot be looked up
	@$(AUDIT_VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock $(ARGS) || \
		{ echo '"Could not be audited" means that PyPI did not know the package or could not be reached.' >&2; exit 1; }

sbom: $(AUDIT_VENV)/.is-installed ## Write the bill of materials of the container's packages (CycloneDX) into sbom.json
	$(AUDIT_VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible -o sbom.json

clean: ## Remove the environments and all caches; keeps downloaded weights and the demo's data
	rm -rf $(VENV) $(LABEL_STUDIO_VENV) $(AUDIT_VENV) .programs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find backend scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

redis:
	@scripts/setup/system_packages.sh redis-server=redis-server

chromium:
	@scripts/setup/system_packages.sh chromium=chromium chromedriver=chromium-driver

nginx:
	@scripts/setup/unpack_package.sh .programs nginx nginx
prometheus:
	@scripts/setup/unpack_package.sh .programs prometheus prometheus promtool

$(VENV)/.runtime-is-installed: requirements.txt requirements-models.txt constraints.txt
	scripts/setup/make_venv.sh $(VENV) -r requirements.txt -r requirements-models.txt -c constraints.txt
	@touch $@

$(VENV)/.tools-are-installed: requirements-dev.txt $(EXTRAS) requirements-label-studio-ml.txt $(VENV)/.runtime-is-installed
	$(BIN)/python -m pip --disable-pip-version-check install -r requirements-dev.txt $(EXTRAS:%=-r %) -c constraints.txt
	$(BIN)/python -m pip --disable-pip-version-check install --no-deps -r requirements-label-studio-ml.txt
	@touch $@

$(AUDIT_VENV)/.is-installed: requirements-audit.txt
	scripts/setup/make_venv.sh $(AUDIT_VENV) -r requirements-audit.txt
	@touch $@

$(LABEL_STUDIO_VENV)/.is-installed: requirements-label-studio.txt constraints-label-studio.txt
	scripts/setup/make_venv.sh $(LABEL_STUDIO_VENV) -r requirements-label-studio.txt -c constraints-label-studio.txt
	@touch $@
