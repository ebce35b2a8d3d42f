"""Errors travel by name: each class arrives as itself, with its text, whatever its code."""

from __future__ import annotations

import grpc
import pytest

from featurestore import errors
from featurestore.errors import FeatureStoreError
from featurestore.serving.status import CODES, HEADER, code_of, from_status, header_of, text_of

CLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
CODE = grpc.StatusCode


@pytest.mark.parametrize("class_", CLASSES)
def test_every_error_arrives_as_itself(class_: type[FeatureStoreError]) -> None:
    sent = class_("what, where and what next")
    back = from_status(code_of(sent), text_of(sent), header_of(sent), address="here")
    assert type(back) is class_
    assert str(back) == "what, where and what next"


def test_every_error_has_a_row_in_the_table() -> None:
    assert set(CODES) == set(CLASSES)


@pytest.mark.parametrize(
    ("class_", "code"),
    [
        (errors.NotFoundError, CODE.NOT_FOUND),
        (errors.RequestError, CODE.INVALID_ARGUMENT),
        (errors.DefinitionError, CODE.INVALID_ARGUMENT),
        (errors.NotPublishedError, CODE.FAILED_PRECONDITION),
        (errors.NotActiveError, CODE.FAILED_PRECONDITION),
        (errors.LockMismatchError, CODE.FAILED_PRECONDITION),
        (errors.ConflictError, CODE.ABORTED),
        (errors.CorruptError, CODE.DATA_LOSS),
        (errors.SourceError, CODE.INTERNAL),
    ],
)
def test_the_codes_that_clients_in_other_languages_act_on(
    class_: type[FeatureStoreError], code: grpc.StatusCode
) -> None:
    assert code_of(class_("")) is code


def test_a_class_of_ones_own_is_its_nearest_public_one() -> None:
    class SpecialError(errors.NotPublishedError):
        pass

    assert code_of(SpecialError("")) is CODE.FAILED_PRECONDITION
    assert header_of(SpecialError("")) == ((HEADER, "NotPublishedError"),)


@pytest.mark.parametrize(
    ("code", "class_"),
    [
        (CODE.UNAVAILABLE, errors.UnavailableError),
        (CODE.CANCELLED, errors.UnavailableError),
        (CODE.DEADLINE_EXCEEDED, errors.DeadlineError),
        (CODE.NOT_FOUND, errors.NotFoundError),
        (CODE.UNIMPLEMENTED, FeatureStoreError),
        (CODE.UNAUTHENTICATED, errors.AuthenticationError),
        (CODE.PERMISSION_DENIED, errors.PermissionDeniedError),
        (CODE.RESOURCE_EXHAUSTED, FeatureStoreError),
    ],
)
@pytest.mark.parametrize("metadata", [None, (), ((HEADER, "nearest"),), ((HEADER, "SystemExit"),), ((HEADER, b"x"),)])
def test_without_a_name_we_know_the_code_decides(
    code: grpc.StatusCode, class_: type[FeatureStoreError], metadata: tuple[tuple[str, str | bytes], ...] | None
) -> None:
    back = from_status(code, "why", metadata, address="there:1")
    assert type(back) is class_
    assert "there:1" in str(back)
    assert "why" in str(back)


def test_a_long_text_is_cut_to_what_a_header_holds() -> None:
    for character in ("a", "é", "%"):
        text = text_of(FeatureStoreError(character * 10_000))
        assert text.endswith(" ...")
        assert len(text.encode()) < 8000
