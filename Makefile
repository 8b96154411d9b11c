# The verbs of this project; CI and the README use these and no others.
.DEFAULT_GOAL := help
.PHONY: help run test check contract bench docs lock clean

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JS     := js/client
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml deploy/python-venv.sh
	@sh deploy/python-venv.sh $(VENV)
	$(BIN)/pip install --quiet --use-pep517 --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP) ## do the main job on real data, with a server of its own (KEEP=1 leaves it up)
	@$(BIN)/python examples/tour.py $(if $(KEEP),--keep)

test: check ## everything that CI runs: checks, then all tests against real parts
	@sh deploy/test-tools.sh
	$(BIN)/pytest -n 2
	cd $(JS) && npm test

check: $(STAMP) ## format, lint, types, import layers, contract in step
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m klarity_storage.server.contract --check contract
	@sh deploy/npm-ci.sh $(JS)
	cd $(JS) && npm run --silent check

contract: $(STAMP) ## write contract/ and the types that follow from it anew
	$(BIN)/python -m klarity_storage.server.contract contract
	@sh deploy/npm-ci.sh $(JS)
	cd $(JS) && npm run --silent contract

lock: $(STAMP) ## resolve exact versions anew, without addresses of any registry
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --dry-run --ignore-installed --report .lock.json \
		--group build --group demo --group test --group check '.[server,postgres]'
	$(BIN)/python deploy/lock.py .lock.json > requirements.lock
	@rm .lock.json

PEERS := .venv-peers

$(PEERS)/.installed: benchmarks/peers/requirements.txt deploy/python-venv.sh
	@sh deploy/python-venv.sh $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement benchmarks/peers/requirements.txt
	@touch $@

bench: $(STAMP) $(PEERS)/.installed ## measure against the peers (SCALE=0.1 ROUNDS=1 for a look)
	$(BIN)/python benchmarks/bench.py --peers $(PEERS)/bin --scale $(or $(SCALE),1) \
		--rounds $(or $(ROUNDS),3) $(if $(SCALE)$(CONTENDERS),,--write) \
		$(if $(CONTENDERS),--contenders $(CONTENDERS))
	$(BIN)/python benchmarks/control.py
	$(BIN)/python benchmarks/files.py
	@sh deploy/test-tools.sh
	@command -v wrk >/dev/null || sh deploy/apt-install.sh wrk
	$(BIN)/python benchmarks/proxy.py
	@sh deploy/npm-ci.sh $(JS)
	$(BIN)/python benchmarks/pages.py

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
