# Everything a developer runs. `make` alone lists it.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STUBS  := clients/python
SPREAD := --numprocesses auto --dist worksteal   # over all processors; ARGS="-n 0" runs in one process
PROTOS := $(sort $(wildcard proto/tidegate/v1/*.proto))

# The oldest protoc whose output all supported runtimes accept.
STUBS_TOOLS := grpcio-tools==1.83.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Make .venv and install Tidegate and its development tools into it

.PHONY: test
test: $(VENV)/.installed ## Run the tests
	$(BIN)/pytest $(SPREAD) -m 'not slow' $(ARGS)

.PHONY: test-slow
test-slow: $(VENV)/.installed ## Run the proofs at length: crash, soak, fuzz
	TIDEGATE_TEST_PROFILE=long $(BIN)/pytest $(SPREAD) --timeout 3600 $(ARGS)

.PHONY: conformance
conformance: $(VENV)/.installed ## Hold the compatibility rules to Buf's own cases (SUITE names their folder)
	@test -f "$(SUITE)/cases.json" || { echo 'SUITE names no folder with a cases.json.'; exit 1; }
	TIDEGATE_BUF_CASES="$(SUITE)" $(BIN)/pytest tests/test_compat_buf.py $(ARGS)

.PHONY: docs
docs: $(VENV)/.installed ## Write again what commands and rules contribute to docs/compatibility.md
	$(BIN)/python docs/generate_compatibility.py

.venv-lowest/.installed: pyproject.toml
	@$(PYTHON) -m venv --clear .venv-lowest
	@.venv-lowest/bin/python -m pip install --quiet uv
	@.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python \
		--resolution lowest-direct --group dev --editable .
	@touch $@

.PHONY: test-lowest
test-lowest: .venv-lowest/.installed ## Run the tests with the oldest releases that pyproject.toml allows
	.venv-lowest/bin/pytest $(SPREAD) -m 'not slow' $(ARGS)

.PHONY: check
check: $(VENV)/.installed ## Lint, types, import directions, contract, generated stubs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd proto && ../$(BIN)/buf format --diff --exit-code && ../$(BIN)/buf lint
	$(MAKE) --no-print-directory check-stubs

.PHONY: format
format: $(VENV)/.installed ## Format the code and the contract
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	cd proto && ../$(BIN)/buf format -w

.venv-stubs/.installed: Makefile
	@test -x .venv-stubs/bin/python || $(PYTHON) -m venv .venv-stubs
	@.venv-stubs/bin/python -m pip install --quiet $(STUBS_TOOLS)
	@touch $@

.PHONY: stubs
stubs: .venv-stubs/.installed ## Regenerate the Python stubs from proto/
	@rm -f $(STUBS)/tidegate/v1/*_pb2*.py*
	.venv-stubs/bin/python -m grpc_tools.protoc --proto_path proto \
		--python_out $(STUBS) --pyi_out $(STUBS) --grpc_python_out $(STUBS) $(PROTOS)

.PHONY: check-stubs
check-stubs: .venv-stubs/.installed
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
		$(MAKE) --no-print-directory --silent stubs STUBS="$$tmp" >/dev/null 2>"$$tmp/errors" || { cat "$$tmp/errors"; exit 1; }; \
		diff --recursive --exclude __init__.py --exclude __pycache__ "$$tmp/tidegate/v1" clients/python/tidegate/v1 \
		|| { echo 'The committed stubs differ from proto/: run `make stubs` and commit the result.'; exit 1; }

.PHONY: demo
demo: ## See the main job done on real flights (FULL=1: a whole year of them)
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@test -x $(BIN)/tidegate || $(BIN)/python -m pip install --quiet --constraint constraints.txt .
	@$(BIN)/python examples/flights/demo.py $(if $(FULL),--full)

.PHONY: bench
bench: $(VENV)/.installed ## Measure it against bare gRPC on this machine (ARGS for single parts)
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: clean
clean: ## Remove what was built
	rm -rf .venv .venv-stubs .venv-lowest build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
