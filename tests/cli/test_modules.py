"""Feature views out of Python files."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

import featurestore as fs
from featurestore.cli.modules import load_definitions
from featurestore.errors import DefinitionError, NotFoundError

VIEW = """
import featurestore as fs

{name} = fs.FeatureView(
    "{name}",
    entity=fs.Entity("airport", keys={{"origin": fs.String}}),
    source=fs.ParquetSource("raw", path="{path}"),
)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text), encoding="utf-8")
    return file


def view(name: str, path: str = "raw.parquet") -> str:
    return VIEW.format(name=name, path=path)


def names(*paths: str) -> list[str]:
    return [item.name for item in load_definitions(paths)]


def test_a_file_gives_its_views() -> None:
    write("defs.py", view("weather") + view("delays"))
    assert names("defs.py") == ["weather", "delays"]


def test_a_folder_gives_the_views_of_all_its_files_and_subfolders() -> None:
    write("features/b.py", view("second"))
    write("features/a.py", view("first"))
    write("features/deep/c.py", view("third"))
    write("features/.hidden/d.py", "1 / 0")
    write("features/__pycache__/e.py", "1 / 0")
    assert names("features") == ["first", "second", "third"]
    assert names("features/", "features/a.py") == ["first", "second", "third"]


def test_modules_of_a_folder_import_each_other_by_the_folders_name() -> None:
    write("features/entities.py", view("weather"))
    write("features/use.py", "from features.entities import weather\n")
    assert names("features") == ["weather"]


def test_modules_may_be_imported_from_the_working_folder_too() -> None:
    write("project/features/entities.py", view("weather"))
    write("project/features/use.py", "from project.features.entities import weather as again\n")
    assert names("project/features") == ["weather"]


def test_a_package_is_imported_by_its_full_name() -> None:
    write("src/shop/__init__.py", "")
    write("src/shop/features/__init__.py", "from .weather import weather\n")
    write("src/shop/features/weather.py", "from shop.names import NAME\n" + view("weather"))
    write("src/shop/names.py", "NAME = 1\n")
    assert names("src/shop/features") == ["weather"]
    assert names("src/shop/features/weather.py") == ["weather"]


def test_the_working_folder_itself_can_be_named() -> None:
    write("weather.py", view("weather"))
    assert names(".") == ["weather"]


def test_a_changed_file_is_read_anew() -> None:
    write("features/weather.py", view("weather", "one.parquet"))
    assert path_of(load_definitions(["features"])[0]) == "one.parquet"
    write("features/weather.py", view("weather", "another.parquet"))
    assert path_of(load_definitions(["features"])[0]) == "another.parquet"


def path_of(definition: object) -> object:
    assert isinstance(definition, fs.FeatureView)
    return definition.sources[0].location()["path"]


def test_feature_sets_are_found_too() -> None:
    write("features/weather.py", view("weather"))
    write("features/sets.py", "import featurestore as fs\nnow = fs.FeatureSet('now', features=['weather@v1'])\n")
    write("features/again.py", "from features.sets import now\n")
    assert names("features") == ["now", "weather"]
    write("features/other.py", "import featurestore as fs\nnow = fs.FeatureSet('now', features=['weather@v2'])\n")
    with pytest.raises(DefinitionError, match="two different definitions are named 'now'"):
        load_definitions(["features"])


def test_the_import_path_is_left_as_it_was() -> None:
    write("features/weather.py", view("weather"))
    before = list(sys.path)
    load_definitions(["features"])
    assert sys.path == before


def test_one_function_imported_under_two_names_is_one_view() -> None:
    write(
        "project/features/weather.py",
        """
        import featurestore as fs

        def compute(relations):
            return relations["raw"]

        weather = fs.FeatureView(
            "weather",
            entity=fs.Entity("airport", keys={"origin": fs.String}),
            source=fs.ParquetSource("raw", path="raw.parquet"),
            transform=compute,
        )
        """,
    )
    write("project/features/use.py", "from project.features.weather import weather\n")
    assert names("project/features") == ["weather"]


def test_two_different_views_of_one_name_are_an_error() -> None:
    write("features/a.py", view("weather", "one.parquet"))
    write("features/b.py", view("Weather", "two.parquet"))
    with pytest.raises(DefinitionError, match=r"two different definitions are named 'Weather', in features/a.py and"):
        load_definitions(["features"])


def test_an_error_in_a_module_names_file_and_line() -> None:
    write("features/weather.py", "x = 1\ny = x / 0\n")
    with pytest.raises(DefinitionError, match=r"features/weather.py:2: ZeroDivisionError: .*\n    y = x / 0"):
        load_definitions(["features"])


def test_an_error_in_an_imported_module_names_that_module() -> None:
    write("features/a.py", "from features.b import name\n")
    write("features/b.py", "\n\nraise ValueError('no')\n")
    with pytest.raises(DefinitionError, match=r"features/b.py:3: ValueError: no"):
        load_definitions(["features/a.py"])


def test_a_syntax_error_names_file_and_line() -> None:
    write("features/weather.py", "x = 1\nif x\n")
    with pytest.raises(DefinitionError, match=r"features/weather.py:2: SyntaxError: expected ':'"):
        load_definitions(["features"])


def test_a_definition_error_keeps_its_text() -> None:
    write("features/weather.py", 'import featurestore as fs\n\nairport = fs.Entity("air port", keys={})\n')
    with pytest.raises(DefinitionError, match=r"features/weather.py:3: 'air port' is not a name"):
        load_definitions(["features"])


def test_a_sibling_imported_by_its_bare_name_is_explained() -> None:
    write("features/entities.py", "")
    write("features/weather.py", "from entities import airport\n")
    with pytest.raises(DefinitionError, match=r"Write `from features.entities import"):
        load_definitions(["features"])


def test_a_name_that_python_has_already_is_explained() -> None:
    write("json.py", view("weather"))
    with pytest.raises(DefinitionError, match=r"json.py cannot be imported as 'json': that name belongs to"):
        load_definitions(["json.py"])


def test_a_name_that_is_no_module_is_explained() -> None:
    write("features/my-weather.py", view("weather"))
    with pytest.raises(DefinitionError, match="is no module name"):
        load_definitions(["features"])


def test_no_view_is_an_error() -> None:
    write("features/entities.py", "x = 1\n")
    with pytest.raises(DefinitionError, match="no feature view and no feature set in features"):
        load_definitions(["features"])


def test_a_path_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no file or folder 'features'"):
        load_definitions(["features"])


def test_a_file_that_is_not_python_is_refused() -> None:
    write("weather.sql", "select 1")
    with pytest.raises(DefinitionError, match="not a Python file"):
        load_definitions(["weather.sql"])
