# Everything a reader, a teacher or a contributor does; `make` alone lists it.
#
# Variables: PYTHON=/path/to/python, VENV=folder, LOCK= (empty: newest versions), WORKERS=n and TESTS="paths" (of
# test), NOTEBOOK=path (of refresh and shake), URL=address (of repository), UPGRADE=1 (of lock), ARGS="…" (more options
# of the program behind serve, lab, test, shake, bench and record).

VENV ?= .venv
LOCK ?= lock.txt
TESTS ?= tests notebooks
ENVIRONMENT ?= tools/venv.sh
export VENV LOCK PYTHON

python = "$(VENV)/bin/python"
# Mathematics on one thread: results repeat, and as many tests run side by side as there are cores.
# OMP_NUM_THREADS=2 from outside wins; tools/environment.py passes the number on to every library.
math = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}

.DEFAULT_GOAL := help
# One after the other, even under `make -j`: the targets share one environment and one built site.
.NOTPARALLEL:
.PHONY: help book serve test lab refresh shake lint format browser bench record repository lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

book: ## build the site into _build/html; needs no PyTorch, runs no notebook
	@$(ENVIRONMENT) book
	@$(python) tools/build.py

serve: book ## build the site and serve it on 127.0.0.1
	@$(python) tools/serve.py $(ARGS)

test: ## install everything, build the site, run all tests and all notebooks
	@$(ENVIRONMENT) all
	@case "$$CI" in true | 1) $(python) tools/browser.py ;; esac
	@$(python) tools/build.py
	@workers="$(WORKERS)"; \
	workers=$${workers:-$$($(python) -c "import os; print(os.cpu_count())")}; \
	$(math) $(python) -m pytest $(TESTS) -n $$workers --dist loadfile --nbval --nbval-current-env $(ARGS)

lab: ## open the notebooks in JupyterLab
	@$(ENVIRONMENT) all
	@$(python) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(ARGS)

refresh: ## execute and normalise all notebooks, or one: NOTEBOOK=path
	@$(ENVIRONMENT) all
	@$(math) $(python) tools/refresh.py $(NOTEBOOK)

shake: ## run the notebooks, or NOTEBOOK=path, as other machines would: an hour or more
	@$(ENVIRONMENT) all
	@$(python) tools/shake.py $(NOTEBOOK) $(ARGS)

lint: ## check style and form of the code, notebooks included
	@$(ENVIRONMENT) all
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .

format: ## repair style and form of the code, notebooks included
	@$(ENVIRONMENT) all
	@$(python) -m ruff check --fix .
	@$(python) -m ruff format .

browser: ## get a Chromium for the browser tests, if there is none
	@$(ENVIRONMENT) all
	@$(python) tools/browser.py

bench: ## measure the cells of the book against PyTorch and Keras
	@$(ENVIRONMENT) all
	@$(math) $(python) tools/bench.py $(ARGS)

record: ## make the full-size records on a GPU, with the packages found there
	@python="$(PYTHON)"; \
	if [ -z "$$python" ] && [ -e "$(VENV)/.installed-all" ]; then python=$(python); fi; \
	python=$${python:-$$($(ENVIRONMENT) find)} && "$$python" tools/record.py $(ARGS)

repository: ## set the book's public address: URL=https://github.com/OWNER/NAME
	@python=$$($(ENVIRONMENT) find) && "$$python" tools/repository.py $(if $(filter command,$(origin URL)),"$(URL)")

lock: ## write lock.txt from pyproject.toml; UPGRADE=1 takes the newest versions
	@python=$$($(ENVIRONMENT) find) && "$$python" tools/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove the built site and all caches; .venv stays
	@rm -rf _build .pytest_cache .ruff_cache .hypothesis
	@find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
