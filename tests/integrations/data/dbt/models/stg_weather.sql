select
    origin,
    time_hour,
    (temp_f - 32) * 5 / 9 as temp_c,
    wind_mph * 0.44704 as wind_ms
from {{ ref('raw_weather') }}
where quality = 'ok'
