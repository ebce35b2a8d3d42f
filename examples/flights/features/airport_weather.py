"""The weather at the airport of departure."""

from datetime import timedelta

import featurestore as fs
from examples.flights.features.entities import airport
from examples.flights.features.feeds import weather

airport_weather = fs.FeatureView(
    "airport_weather",
    entity=airport,
    source=weather,
    sql="""
        select origin, time_hour, temp, humid, visib, pressure,
            avg(wind_speed) over last_six_hours as wind_6h,
            sum(precip) over last_six_hours as rain_6h
        from weather
        window last_six_hours as (
            partition by origin order by time_hour
            range between interval 5 hours preceding and current row
        )
    """,
    event_time="time_hour",
    ttl=timedelta(hours=6),
    lookback=timedelta(hours=5),
    owner="delay-team",
    description="Hourly observations; wind in miles an hour, rain in inches.",
)
