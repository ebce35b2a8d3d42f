"""How late a route has been over two weeks, as far as it was known."""

from datetime import timedelta

import featurestore as fs
from examples.flights.features.entities import route
from examples.flights.features.feeds import arrivals

route_record = fs.FeatureView(
    "route_record",
    entity=route,
    source=arrivals,
    sql="""
        select origin, dest, arrived_at,
            avg(arr_delay) over last_two_weeks as delay_14d,
            count(*) over last_two_weeks as arrivals_14d
        from arrivals
        window last_two_weeks as (
            partition by origin, dest order by arrived_at
            range between interval 14 days preceding and current row
        )
    """,
    event_time="arrived_at",
    ttl=timedelta(days=30),
    lookback=timedelta(days=14),
    owner="delay-team",
    description="Rolling arrival delay in minutes, and volume, of a route.",
)
