{{ config(materialized='view') }}
select *, temp_c > 25 as hot from {{ ref('weather_daily') }}
