"""`import featurestore` is cheap: it loads no heavy library, and few modules over a bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = (
    "alembic",
    "click",
    "duckdb",
    "google.protobuf",
    "grpc",
    "lmdb",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "pydantic_settings",
    "pyiceberg",
    "rich",
    "sqlalchemy",
    "sqlglot",
)
MOST_MODULES = 60


def bare_environment() -> dict[str, str]:
    """Return this environment without coverage's hook, which imports modules of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_import_loads_no_heavy_library() -> None:
    result = run(f"import sys, featurestore; print(*(name for name in {HEAVY!r} if name in sys.modules))")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_a_stored_table_is_known_without_an_engine() -> None:
    engines = ("duckdb", "polars", "pyiceberg")
    code = f"import sys, featurestore.offline.tables; print(*(name for name in {engines!r} if name in sys.modules))"
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_import_loads_few_modules_over_a_bare_interpreter() -> None:
    result = run("import sys; before = len(sys.modules); import featurestore; print(len(sys.modules) - before)")
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < MOST_MODULES


def test_every_public_name_resolves_and_an_unknown_one_does_not() -> None:
    result = run(
        "import featurestore as fs\n"
        "assert fs.__all__\n"
        "missing = [name for name in fs.__all__ if getattr(fs, name, None) is None]\n"
        "assert not missing, missing\n"
        "assert set(fs.__all__) <= set(dir(fs))\n"
        "assert not hasattr(fs, 'no_such_name')\n"
    )
    assert result.returncode == 0, result.stderr
