"""How the airport is doing, read off its departure board.

Departures of one minute are peers in these windows: their rows carry the same values.
"""

from datetime import timedelta

import featurestore as fs
from examples.flights.features.entities import airport
from examples.flights.features.feeds import board

airport_board = fs.FeatureView(
    "airport_board",
    entity=airport,
    source=board,
    sql="""
        select origin, board_time,
            count(*) filter (where remark in ('DELAYED', 'CANCELLED')) over (
                partition by origin order by board_time
                range between interval 24 hours preceding and current row
            ) / count(*) over (
                partition by origin order by board_time
                range between interval 24 hours preceding and current row
            ) as disrupted,
            count(*) over (
                partition by origin order by board_time
                range between interval 6 hours preceding and current row
            ) as movements
        from board
    """,
    event_time="board_time",
    ttl=timedelta(hours=12),
    lookback=timedelta(hours=24),
    features=[
        fs.Feature("disrupted", fs.Float64, description="Share of the departures that went wrong, 0 to 1."),
        fs.Feature("movements", fs.Int64, description="Departures in the last six hours."),
    ],
    owner="delay-team",
    description="Disruption and volume at the airport of departure.",
)
