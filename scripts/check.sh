#!/bin/sh
# Format, lint, layers, dead code and types. Usage: scripts/check.sh BIN SITE
set -eu
bin=$1 site=$2
export RUFF_CACHE_DIR="$PWD/.cache/ruff" MYPY_CACHE_DIR="$PWD/.cache/mypy"
echo "==> format";    "$bin/ruff" format --check --quiet .
echo "==> lint";      "$bin/ruff" check --quiet .
echo "==> names";     test ! -e platform/__init__.py || { echo "platform/__init__.py shadows the standard library's platform"; exit 1; }
echo "==> dead code"; "$bin/vulture" --min-confidence 80 --ignore-names "cls,trace,query,k,exclude_documents,annotator,error" src/doyen/__init__.py core platform ingestion annotation retrieval finetune eval ui benchmarks
# Type checkers and import-linter do not follow an editable install's mapping: check the packages as a wheel lays them out.
echo "==> installing the packages into $site for the layer and type checks"
"$bin/python" scripts/lay_out.py "$site"
echo "==> layers";    PYTHONPATH="$site" "$bin/lint-imports" --no-cache
echo "==> types";     (cd "$site" && MYPYPATH=. "../../$bin/mypy" --config-file ../../pyproject.toml -p doyen)
echo "==> all checks passed"
