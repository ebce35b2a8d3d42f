"""Rows at rest: sources, computations, sorted runs of Parquet, Iceberg tables, the as-of join."""
