# Everything here can be run again at any time: what is already there is left as it is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

.PHONY: help setup lab lab-down demo reports check test test-all test-crash test-migrate test-host test-netdiag test-inspect test-osd bench

help:           ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

setup:          ## install the system packages and .venv (as root, Debian 12)
	@setup/install lab

lab: setup      ## bring up the lab: a private cloud on this machine
	@lab/lab up

lab-down:       ## leave nothing of the lab behind (the cache of guest disks stays)
	@lab/lab down

demo: lab       ## move three machines into the lab's cloud, for real
	@lab/demo

reports: lab    ## write what inspection and statistics say of the lab, in every format, in English and Chinese
	@lab/reports

check: setup    ## types, style, translations, documents
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check -q
	@.venv/bin/mypy
	@$(PY) -m pytest -q tests/unit/test_translations.py tests/unit/test_docs.py

# The lab is one process's, which mostly waits for guests; the other one runs everything else meanwhile.
SIDE_BY_SIDE := -n 2

# A run that is too slow ends with its summary, before whoever waits for it ends it without one.
SLOWEST_S := 4900

test: setup     ## types and style, then every test; brings the lab up for those that need it
	@.venv/bin/ruff check -q && .venv/bin/ruff format --check -q && .venv/bin/mypy
	@$(PY) -m pytest $(SIDE_BY_SIDE) --durations=30 --durations-min=20 --session-timeout=$(SLOWEST_S)

test-all: setup ## the same, with every matrix whole
	@.venv/bin/ruff check -q && .venv/bin/ruff format --check -q && .venv/bin/mypy
	@$(PY) -m pytest $(SIDE_BY_SIDE) --whole

test-osd: setup ## fail, pull and replace disks of the storage host, in every way of deployment
	@$(PY) -m pytest $(SIDE_BY_SIDE) --whole -q tests/unit/disks
	@$(PY) -m pytest --whole -s tests/lab/test_osd.py

test-crash: setup ## kill -9 at every point of every step, then resume, and roll back
	@$(PY) -m pytest $(SIDE_BY_SIDE) --whole tests/crash tests/lab/test_migrate_crash.py

test-host: setup ## empty a compute host and give it back, in every way that can go wrong, and print the table
	@$(PY) -m pytest --whole -p tests.failures tests/unit/maintain tests/lab/test_host.py tests/lab/test_host_faults.py \
		tests/lab/test_campaign_fleet.py

test-migrate: setup ## move machines from every source into Ceph and onto local disks, off and running, and print the table
	@$(PY) -m pytest --whole -p tests.ways -m "lab and way" tests/lab

test-netdiag: setup ## plant every network fault, diagnose and heal it, and print the table
	@$(PY) -m pytest --whole -q tests/lab/test_netdiag.py tests/lab/test_netdiag_ovn.py

test-inspect: setup ## plant every fault of the platform's health, inspect and heal it, and print the table
	@$(PY) -m pytest --whole -q tests/lab/test_inspection.py tests/lab/test_inspect_faults.py tests/lab/test_inspect_fix.py

bench: lab      ## measure what we claim, against the peers' commands, in one run
	@$(PY) -m bench.transfer
	@$(PY) -m bench.jobs
	@$(PY) -m bench.fanout
	@$(PY) -m bench.formats
	@$(PY) -m bench.stats
	@$(PY) -m bench.inspect
