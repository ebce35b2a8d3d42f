"""Facets: the JSON of what is said of a run, a job or a dataset, each with the schema that it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from featurestore import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from featurestore.integrations.openlineage.names import DatasetName

__all__ = [
    "PRODUCER",
    "SCHEMA_URL",
    "columns",
    "dataset_type",
    "documentation",
    "engine",
    "error",
    "job_type",
    "nominal_time",
    "ownership",
    "schema",
    "source_code",
    "source_code_location",
    "sql",
    "statistics",
    "version",
]

JSON = dict[str, Any]

PRODUCER = f"https://pypi.org/project/featurestore/{__version__}"
SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def _facet(name: str, revision: str, /, **said: Any) -> JSON:  # noqa: ANN401 - JSON values
    url = f"https://openlineage.io/spec/facets/{revision}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **said}


# --- of datasets


def schema(fields: Iterable[tuple[str, str, str]]) -> JSON:
    """Return the columns of a dataset: `(name, type, description)`."""
    listed = [{"name": name, "type": type_, **({"description": text} if text else {})} for name, type_, text in fields]
    return {"schema": _facet("SchemaDatasetFacet", "1-2-0", fields=listed)}


def version(text: str) -> JSON:
    """Return the version of a dataset: of a table's rows the snapshot's id."""
    return {"version": _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=text)}


def columns(reads: Mapping[str, Iterable[tuple[DatasetName, str, str, bool]]]) -> JSON:
    """Return what each column comes from: `(dataset, column, DIRECT or INDIRECT, whether that is exact)`."""
    fields = {
        name: {
            "inputFields": [
                {
                    "namespace": dataset.namespace,
                    "name": dataset.name,
                    "field": column,
                    "transformations": [{"type": kind, **({} if exact else {"description": _INEXACT})}],
                }
                for dataset, column, kind, exact in inputs
            ]
        }
        for name, inputs in reads.items()
    }
    return {"columnLineage": _facet("ColumnLineageDatasetFacet", "1-2-0", fields=fields)} if fields else {}


_INEXACT = "The computation cannot be read, so it counts as reading every column."


def documentation(text: str, *, of: str) -> JSON:
    """Return the description of a `dataset` or a `job`; nothing where there is none."""
    name = "DocumentationDatasetFacet" if of == "dataset" else "DocumentationJobFacet"
    return {"documentation": _facet(name, "1-1-0", description=text)} if text else {}


def ownership(owner: str, *, of: str) -> JSON:
    """Return who answers for a `dataset` or a `job`; nothing where nobody does."""
    name = "OwnershipDatasetFacet" if of == "dataset" else "OwnershipJobFacet"
    return {"ownership": _facet(name, "1-0-1", owners=[{"name": owner, "type": "MAINTAINER"}])} if owner else {}


def dataset_type(kind: str) -> JSON:
    """Return what a dataset is: `TABLE`, `MODEL`."""
    return {"datasetType": _facet("DatasetTypeDatasetFacet", "1-0-1", datasetType=kind)}


def statistics(rows: int) -> JSON:
    """Return how many rows a run has written."""
    return {"outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", rowCount=rows)}


# --- of jobs


def job_type(kind: str) -> JSON:
    """Return that a job is one of ours, and which verb it is."""
    said = {"processingType": "BATCH", "integration": "FEATURESTORE", "jobType": kind.upper()}
    return {"jobType": _facet("JobTypeJobFacet", "2-0-4", **said)}


def sql(query: str) -> JSON:
    """Return the query that a job runs."""
    return {"sql": _facet("SQLJobFacet", "1-1-0", query=query, dialect="duckdb")}


def source_code(language: str, text: str) -> JSON:
    """Return the code that a job runs."""
    return {"sourceCode": _facet("SourceCodeJobFacet", "1-0-1", language=language, sourceCode=text)}


def source_code_location(repository: str | None, commit: str | None) -> JSON:
    """Return where the code is kept; nothing where that is not known."""
    if not repository or not commit:
        return {}
    said = {"type": "git", "url": repository, "repoUrl": repository, "version": commit}
    return {"sourceCodeLocation": _facet("SourceCodeLocationJobFacet", "1-1-0", **said)}


# --- of runs


def engine() -> JSON:
    """Return what ran."""
    said = {"name": "featurestore", "version": __version__}
    return {"processing_engine": _facet("ProcessingEngineRunFacet", "1-1-1", **said)}


def error(raised: BaseException) -> JSON:
    """Return why a run failed."""
    message = f"{type(raised).__name__}: {raised}"
    return {"errorMessage": _facet("ErrorMessageRunFacet", "1-0-1", message=message, programmingLanguage="python")}


def nominal_time(start: datetime | None, end: datetime | None) -> JSON:
    """Return the window of event time that a run computed; nothing where it has no start."""
    if start is None:
        return {}
    said = {"nominalStartTime": start.isoformat(), **({} if end is None else {"nominalEndTime": end.isoformat()})}
    return {"nominalTime": _facet("NominalTimeRunFacet", "1-0-1", **said)}
