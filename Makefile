# `make demo` and `make test` do all the set-up themselves; they need python3 with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check format clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The main job on real data: once as it should be, once with a rate that kills.
demo: $(READY)
	$(BIN)/reluctant run examples/digits_mlp.py --epochs 10
	@echo
	@echo "And now with a learning rate that is far too high:"
	@echo
	$(BIN)/reluctant run examples/digits_mlp.py --epochs 10 --optimizer adam --lr 0.1

# One thread a process: there is a process for each core.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .reluctant build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
