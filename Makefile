# make demo   a drive through a real ROS 2 graph      make test   lint, types, import rules, tests
# make build  only make it ready to run               make lint   only the first three
# make build SETS='train'   and what training needs   make build SETS='test'    and what the tests need, too
# make docs   the documentation site in build/docs
# make clean  remove what was built (build/, caches)  make distclean   and .venv
#
# DISTRO=jazzy|kilted  ROS 2 from PyPI (ignored where a ROS 2 is sourced)    PYTHON=python3.12
# make demo BAG=dir OUT=dir ENGINE=torch PRECISION=int8 RATE=1.0 MODEL=file  make test ARGS='-k wire'
# make test ARGS='--cov=icnet_ros -m "nightly or not nightly"'   with coverage, and what takes long
SHELL := /bin/bash
OUT ?= out/demo
SETS ?=
export DISTRO PYTHON

.PHONY: build demo test lint docs clean distclean
build:
	@scripts/bootstrap.sh $(SETS)
demo: SETS += $(if $(ENGINE)$(PRECISION)$(MODEL),train)
demo: build
	@source scripts/env.sh && icnet demo --out "$(OUT)" $(if $(BAG),--bag "$(BAG)") \
	  $(if $(ENGINE),--engine "$(ENGINE)") $(if $(PRECISION),--precision "$(PRECISION)") \
	  $(if $(RATE),--rate "$(RATE)") $(if $(MODEL),--model "$(MODEL)")
lint:
	@scripts/bootstrap.sh train test
	@source scripts/env.sh && scripts/lint.sh
test: lint
	@source scripts/env.sh && python -m pytest -n 3 --dist loadgroup --max-worker-restart 0 $(ARGS)
docs:
	@scripts/docs.sh
clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
distclean: clean
	rm -rf .venv
