"""Work with others: OpenLineage, MLflow, dbt. Each is imported when it is used, and none is required."""
