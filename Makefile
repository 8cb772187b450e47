PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := runs/demo

PROGRESSION := qcli/progress/laptop.toml

.PHONY: demo progress test test-all lint clean

demo: $(VENV)/.installed
	rm -rf $(RUN)
	$(BIN)/qcli train qcnn --data digits:3,6 --epochs 20 --lr 0.02 --out $(RUN)
	$(BIN)/qcli estimate-cost $(RUN) --inferences 48 --shots 512
	$(BIN)/qcli forecast $(RUN) --include-retired
	$(BIN)/qcli forecast $(RUN) --device braket/garnet --device ibm/fez --why
	$(BIN)/qcli validate-on-hardware $(RUN) --device emulator/garnet --inferences 48 --shots 512

progress: $(VENV)/.installed
	rm -rf runs/progress-qcnn
	$(BIN)/qcli progress run $(PROGRESSION)
	$(BIN)/qcli progress report $(PROGRESSION)

test: lint
	$(BIN)/pytest -n 2 -m "not slow"

test-all: lint
	$(BIN)/pytest -n 2

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) runs dist
