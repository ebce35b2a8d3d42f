"""How late an airline has been, as far as it was known: a delay counts from the moment of arrival."""

from datetime import timedelta

import featurestore as fs
from examples.flights.features.entities import carrier
from examples.flights.features.feeds import arrivals

carrier_record = fs.FeatureView(
    "carrier_record",
    entity=carrier,
    source=arrivals,
    sql="""
        select carrier, arrived_at,
            avg(arr_delay) over (
                partition by carrier order by arrived_at
                range between interval 6 hours preceding and current row
            ) as delay_6h,
            avg(arr_delay) over (
                partition by carrier order by arrived_at
                range between interval 24 hours preceding and current row
            ) as delay_24h,
            count(*) over (
                partition by carrier order by arrived_at
                range between interval 24 hours preceding and current row
            ) as arrivals_24h
        from arrivals
    """,
    event_time="arrived_at",
    ttl=timedelta(days=3),
    lookback=timedelta(hours=24),
    owner="delay-team",
    description="Rolling arrival delay in minutes, and volume, of an airline's flights out of New York.",
)
