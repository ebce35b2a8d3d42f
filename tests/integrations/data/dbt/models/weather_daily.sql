with hourly as (select * from {{ ref('stg_weather') }})
select
    hourly.origin,
    cast(hourly.time_hour as date) as day,
    avg(hourly.temp_c) as temp_c,
    max(hourly.wind_ms) as gust_ms,
    max(stations.height_m) as height_m
from hourly
left join {{ source('airports', 'stations') }} as stations on stations.origin = hourly.origin
group by all
