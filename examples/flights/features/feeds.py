"""What arrives from upstream: one folder per feed, one file per delivery."""

import featurestore as fs

FOLDER = ".demo/upstream"

board = fs.CsvSource(
    "board",
    path=f"{FOLDER}/board/*.csv",
    types={"board_time": fs.Timestamp, "flight": fs.Int64, "remark": fs.String},
    description="The departure board. A remark is written when something is wrong: DELAYED or CANCELLED.",
    owner="airport-operations",
)
arrivals = fs.ParquetSource(
    "arrivals",
    path=f"{FOLDER}/arrivals/*.parquet",
    description="One row when a flight has arrived, with its delay in minutes.",
    owner="airlines",
)
weather = fs.ParquetSource(
    "weather",
    path=f"{FOLDER}/weather/*.parquet",
    description="The hourly observation at each airport.",
    owner="weather-service",
)
planes = fs.ParquetSource("planes", path=f"{FOLDER}/planes/*.parquet", owner="registry")
