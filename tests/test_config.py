"""Configuration: where the store is, which settings win, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from featurestore.catalog.place import CATALOG_FILE
from featurestore.config import _OpenLineage, _Serving, _Sources, load, load_serving
from featurestore.errors import ConfigError, NotFoundError
from featurestore.model.policy import REACHES, SEVERITIES, Policy
from featurestore.model.serving import ServingSettings
from featurestore.model.settings import OpenLineageSettings, Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for item in ("STORE", *(field.name.upper() for field in fields(Settings))):
        monkeypatch.delenv(f"FEATURESTORE_{item}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_can_be_configured() -> None:
    assert {*_Sources.model_fields, "policy", "openlineage", "alerts", "checks"} == {
        item.name for item in fields(Settings)
    }
    assert set(_OpenLineage.model_fields) == {item.name for item in fields(OpenLineageSettings)}
    assert OpenLineageSettings(**_OpenLineage.model_validate({}).model_dump()) == OpenLineageSettings()
    assert Settings(**_Sources.model_validate({}).model_dump()) == Settings()


def test_without_a_path_the_store_is_the_hidden_folder_here(folder: Path) -> None:
    assert load() == (folder / ".featurestore", Settings())
    assert (folder / ".featurestore").is_dir()


def test_without_a_path_a_toml_here_wins_over_the_hidden_folder(folder: Path) -> None:
    write(folder / "featurestore.toml", 'store = "elsewhere"')
    assert load()[0] == folder / "elsewhere"


def test_the_environment_names_the_store_when_no_path_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "featurestore.toml", 'store = "elsewhere"')
    monkeypatch.setenv("FEATURESTORE_STORE", str(folder / "named"))
    assert load()[0] == folder / "named"
    assert load(folder / "given")[0] == folder / "given"


def test_the_store_in_a_toml_is_relative_to_the_toml(folder: Path) -> None:
    toml = write(folder / "deep" / "prod.toml", 'store = "data/store"\nthreads = 3\nrequire_pins = true')
    assert load("deep/prod.toml") == (folder / "deep" / "data" / "store", Settings(threads=3, require_pins=True))
    assert load(toml)[0].is_absolute()


def test_a_toml_without_a_store_keeps_it_beside_itself(folder: Path) -> None:
    write(folder / "deep" / "prod.toml", "threads = 3")
    assert load("deep/prod.toml")[0] == folder / "deep" / ".featurestore"


def test_the_environment_wins_over_the_toml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "featurestore.toml", 'memory_limit = "1GB"\nthreads = 3')
    monkeypatch.setenv("FEATURESTORE_MEMORY_LIMIT", "512MB")
    assert load()[1] == Settings(memory_limit="512MB", threads=3)


def test_an_empty_variable_overrides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_THREADS", "")
    assert load()[1] == Settings()


def test_the_environment_holds_for_a_plain_folder_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_KEEP_GENERATIONS", "5")
    assert load(folder / "store")[1].keep_generations == 5


def test_an_unknown_key_names_the_nearest(folder: Path) -> None:
    write(folder / "featurestore.toml", 'memory_limits = "1GB"')
    with pytest.raises(ConfigError, match=r"unknown key 'memory_limits'\. Did you mean 'memory_limit'\?"):
        load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('memory_limit = "lots"', "'memory_limit' in .* is 'lots'.*'2GB'"),
        ("threads = -1", "'threads' in .* is -1"),
        ("keep_generations = 0", "'keep_generations' in .* is 0"),
        ("max_runs = 1", "'max_runs' in .* is 1"),
        ('compression = "gzip"', "'compression' in .* is 'gzip'"),
        ('require_pins = "perhaps"', "'require_pins' in .* is 'perhaps'"),
        ("store = 3", "'store' in .* is not text"),
        ("threads = ", "cannot be read"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(folder: Path, text: str, message: str) -> None:
    write(folder / "featurestore.toml", text)
    with pytest.raises(ConfigError, match=message):
        load()


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_THREADS", "many")
    with pytest.raises(ConfigError, match="environment variable FEATURESTORE_THREADS is 'many'"):
        load()


def test_a_missing_toml_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no configuration 'missing\.toml'"):
        load("missing.toml")


def test_a_folder_that_is_no_store_is_refused(folder: Path) -> None:
    write(folder / "photos" / "holiday.jpg", "")
    with pytest.raises(ConfigError, match=r"not empty and holds no catalog\.db"):
        load(folder / "photos")


def test_a_store_is_recognised_by_its_catalog(folder: Path) -> None:
    write(folder / "store" / CATALOG_FILE, "")
    write(folder / "store" / "else", "")
    assert load(folder / "store")[0] == folder / "store"
    assert load(folder / "store", create=False)[0] == folder / "store"


def test_a_file_is_no_store(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither a folder nor a \.toml"):
        load(write(folder / "file", ""))


def test_a_question_makes_no_store(folder: Path) -> None:
    (folder / "empty").mkdir()
    for name in ("missing", "empty"):
        with pytest.raises(NotFoundError, match="there is no store in"):
            load(folder / name, create=False)
    assert not (folder / "missing").exists()


def test_a_folder_that_cannot_be_made_is_an_error(folder: Path) -> None:
    write(folder / "file", "")
    with pytest.raises(ConfigError, match="cannot be made"):
        load(folder / "file" / "store")


# --------------------------------------------------------------------------------------------------------- serving


def test_how_a_server_behaves_comes_from_the_call_then_the_environment_then_the_toml(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(_Serving.model_fields) == {item.name for item in fields(ServingSettings)}
    assert load_serving(folder / "store") == ServingSettings()
    toml = write(folder / "featurestore.toml", '[serving]\nthreads = 2\nmax_queue = 5\ngrace = 1\ntokens = "t.toml"')
    assert load(toml)[1] == Settings()
    monkeypatch.setenv("FEATURESTORE_SERVING_THREADS", "3")
    monkeypatch.setenv("FEATURESTORE_SERVING_ANONYMOUS", "read, write")
    settings = load_serving(toml, {"threads": None, "grace": 7})
    assert (settings.threads, settings.max_queue, settings.grace) == (3, 5, 7.0)
    assert settings.anonymous == ("read", "write")
    assert settings.tokens == str(folder / "t.toml")
    assert load_serving(toml, {"threads": 4}).threads == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serving = 3", "is not a table"),
        ("[serving]\nthread = 1", r"unknown key 'thread'\. Did you mean 'threads'\?"),
        ("[serving]\nmax_queue = 0", "'max_queue' in .* is 0"),
        ('[serving]\nanonymous = ["reed"]', "no role 'reed'"),
        ('[serving]\ntls_key = "x"', "go together"),
        ('[serving]\ntls_client_ca = "x"', "needs tls_certificate"),
        ('[serving]\nlog_format = "xml"', "'log_format' in"),
    ],
)
def test_a_server_that_is_not_allowed_is_refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_serving(write(folder / "featurestore.toml", text))


# --- the policy


def policy(folder: Path, text: str) -> Policy:
    return load(write(folder / "featurestore.toml", text))[1].policy


def test_the_policy_is_what_is_documented_unless_something_is_said(folder: Path) -> None:
    default = policy(folder, "")
    assert default == Policy()
    assert {(severity, reach): default.action(severity, reach) for severity in SEVERITIES for reach in REACHES} == {
        ("breaking", "live"): "block",
        ("breaking", "pinned"): "warn",
        ("breaking", "archived"): "allow",
        ("risky", "live"): "warn",
        ("risky", "pinned"): "allow",
        ("risky", "archived"): "allow",
        ("safe", "live"): "allow",
        ("safe", "pinned"): "allow",
        ("safe", "archived"): "allow",
    }
    page = (Path(__file__).parent.parent / "docs" / "ci-gate.md").read_text(encoding="utf-8")
    shown = page.partition("```toml\n")[2].partition("[policy.severity]")[0]
    assert policy(folder, shown) == default


def test_a_policy_may_say_a_part(folder: Path) -> None:
    said = policy(
        folder,
        '[policy]\nrisky = "block"\nbreaking = { archived = "warn" }\nlongest_acknowledgement = "2w"\n'
        '[policy.severity]\nfeature_recomputed = "breaking"\n',
    )
    assert {said.action("risky", reach) for reach in REACHES} == {"block"}
    assert [said.action("breaking", reach) for reach in REACHES] == ["block", "warn", "warn"]
    assert said.severity_of("feature_recomputed") == "breaking"
    assert said.severity_of("column_widened") == "risky"
    assert said.longest_acknowledgement == timedelta(days=14)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('policy = "strict"', r"\[policy\] of .*featurestore.toml' is 'strict', which is no table: it holds breaking"),
        ('[policy]\nbraeking = "warn"', r"\[policy\] of .* has the unknown key 'braeking'. Did you mean 'breaking'"),
        ('[policy]\nrisky = "blok"', r"risky.live in \[policy\] of .* is 'blok': write one of block, warn, allow"),
        ("[policy]\nrisky = { live = 1 }", r"risky.live in \[policy\] of .* is 1: write one of"),
        (
            '[policy]\nrisky = { alive = "warn" }',
            r"'risky' in \[policy\] of .* unknown key 'alive'. Did you mean 'live'",
        ),
        ("[policy]\nrisky = 3", r"'risky' in \[policy\] of .* is 3, which is no table"),
        ('[policy.severity]\ncolumn_droped = "safe"', r"\[policy.severity\] of .* Did you mean 'column_dropped'"),
        ('[policy.severity]\ncolumn_dropped = "mild"', r"'mild': write one of breaking, risky, safe"),
        ('[policy]\nlongest_acknowledgement = "soon"', r"'longest_acknowledgement' in \[policy\] of .*'soon' is not a"),
    ],
)
def test_a_policy_that_is_none_is_told(folder: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        policy(folder, text)
