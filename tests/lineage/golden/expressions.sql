-- as_it_is: every column flows into the output of its name
-- origin: weather.origin
-- ts: weather.ts
-- temp: weather.temp
-- wind: weather.wind
-- tags: weather.tags
select * from weather;

-- filtered: a condition acts on every output, also on those it does not touch
-- rows: weather.temp, weather.tags
-- origin: weather.origin
-- ts: weather.ts
-- chill: weather.temp, weather.wind
select origin, ts, temp * 2 + wind as chill from weather where temp > 0 and tags is not null;

-- late_class: what a CASE tests decides the value, so it flows
-- id: flights.id
-- class: flights.delay, flights.origin, flights.tail
select id, case when delay > 10 then 'late' when origin = 'JFK' then tail else 'ok' end as class from flights;

-- alias_chain: an alias stands for its expression, in the select list and in WHERE
-- rows: flights.delay
-- id: flights.id
-- minutes: flights.delay
-- twice: flights.delay
-- thrice: flights.delay
select id, delay as minutes, minutes * 2 as twice, twice + minutes as thrice from flights where thrice > 9;

-- shadowed: an output may be called like a source column; its siblings read the column
-- rows: flights.delay
-- id: flights.id
-- delay: flights.delay
-- twice: flights.delay
select id, -delay as delay, delay * 2 as twice from flights where delay > 3;

-- swapped: two columns under each other's names
-- id: flights.id
-- tail: flights.origin
-- origin: flights.tail
select id, origin as tail, tail as origin from flights;

-- missing_values: COALESCE, NULLIF and TRY_CAST pass values on
-- id: flights.id
-- delay: flights.delay, flights.id
-- plane: flights.tail
-- number: flights.tail
select id, coalesce(nullif(delay, 0), id) as delay, coalesce(tail, 'none') as plane,
    try_cast(substr(tail, 2) as integer) as number
from flights;

-- calendar: parts of a time are of the time
-- id: flights.id
-- hour: flights.dep
-- day: flights.dep
-- weekend: flights.dep
select id, extract(hour from dep) as hour, date_trunc('day', dep) as day, dayofweek(dep) in (0, 6) as weekend
from flights;

-- text: pattern matching and methods
-- id: flights.id
-- key: flights.tail, flights.origin
-- new_york: flights.origin
-- prefix: flights.tail
select id, tail.lower().concat(origin) as key, origin ilike 'j%' or origin similar to 'L.*' as new_york,
    regexp_extract(flights.tail, '([A-Z])', 1) as prefix
from flights;

-- quoted: names fold case, quoted ones too, and the output keeps its spelling
-- rows: weather.wind
-- ORIGIN_CODE: weather.origin
-- Feels Like: weather.temp
select "ORIGIN" as ORIGIN_CODE, WEATHER."Temp" - 1 as "Feels Like" from Weather where "WIND" > 2;

-- constants: what is written in the text depends on rows alone
-- rows: weather.wind
-- kind:
-- one:
-- origin: weather.origin
select 'observed' as kind, 1 as one, origin from weather where wind between 2 and 7;

-- top: LIMIT takes rows in an order
-- rows: flights.dep, flights.id
-- id: flights.id
-- delay: flights.delay
select id, delay from flights order by dep desc, id limit 5;

-- by_position: numbers in ORDER BY are outputs
-- rows: flights.delay, flights.origin
-- origin: flights.origin
-- cost: flights.delay
-- tail: flights.tail
select origin, delay * 3 as cost, tail from flights order by 2 desc, 1 limit 4;

-- alias_in_order: alone in ORDER BY an alias is meant before a column of that name
-- rows: flights.dep
-- id: flights.id
-- delay: flights.dep
select id, hour(dep) * 60 + minute(dep) as delay from flights order by delay limit 4;

-- column_in_order: in a larger expression of ORDER BY the column is meant
-- rows: flights.delay
-- id: flights.id
-- delay: flights.dep
select id, hour(dep) * 60 + minute(dep) as delay from flights order by abs(delay) limit 4;
