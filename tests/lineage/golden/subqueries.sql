-- scalar: one value from elsewhere
-- id: flights.id
-- relative: flights.delay; by flights.tail
select id, delay - (select avg(delay) from flights where tail is not null) as relative from flights;

-- correlated: one value for each row
-- id: flights.id
-- hottest: weather.temp; by weather.origin, flights.origin, weather.ts, flights.dep
select f.id, (select max(w.temp) from weather w where w.origin = f.origin and w.ts <= f.dep) as hottest from flights f;

-- newest: a correlated LIMIT 1
-- id: flights.id
-- wind: weather.wind; by weather.origin, flights.origin, weather.ts, flights.dep
select f.id, (select wind from weather w where w.origin = f.origin and w.ts <= f.dep order by ts desc limit 1) as wind
from flights f;

-- exists: only whether there are rows, so what it selects is not read
-- rows: weather.origin, flights.origin, weather.wind
-- id: flights.id
select id from flights f where exists (select * from weather w where w.origin = f.origin and w.wind > 8);

-- not_exists: the rows without one
-- rows: planes.tail, flights.tail
-- id: flights.id
-- tail: flights.tail
select id, tail from flights f where not exists (select year from planes p where p.tail = f.tail);

-- exists_as_value: a flag
-- id: flights.id
-- known: ; by planes.tail, flights.tail
select id, exists (from planes p where p.tail = f.tail) as known from flights f;

-- in_list: membership in a query's result acts as a filter
-- rows: flights.tail, planes.tail, planes.year
-- id: flights.id
select id from flights where tail in (select tail from planes where year > 2005);

-- in_as_value: and flows as a value
-- id: flights.id
-- modern: flights.tail, planes.tail; by planes.year
select id, tail in (select tail from planes where year > 2005) as modern from flights;

-- row_in: pairs in a query's result
-- rows: flights.origin, weather.origin, flights.dep, weather.ts
-- id: flights.id
select id from flights where (origin, date_trunc('hour', dep)) in (select origin, ts from weather);

-- all_any: compared with many
-- id: flights.id
-- hotter: flights.delay, weather.temp; by weather.wind
-- known: flights.tail, planes.tail
select id, delay > all (select temp from weather where wind > 8) as hotter,
    tail = any (select tail from planes) as known
from flights;

-- array_of: a query as a list
-- id: flights.id
-- temps: weather.temp; by weather.origin, flights.origin, weather.wind, weather.ts
select id, array(select temp from weather w where w.origin = f.origin order by wind, ts) as temps from flights f;

-- derived: a table in FROM, under names of its own
-- rows: flights.delay
-- flight: flights.id
-- late_by: flights.delay
select flight, late_by from (select id, delay from flights where delay > 5) as late(flight, late_by);

-- cut: LIMIT inside
-- rows: flights.dep, flights.id
-- id: flights.id
-- delay: flights.delay
select id, delay from (select id, delay, dep from flights order by dep, id limit 4);

-- outer_alias: a nested query sees an alias around it
-- k: flights.id
-- later: ; by flights.id, planes.year
select id as k, (select count(*) from planes where year > 1990 + k) as later from flights;

-- deep: a reference over two levels
-- id: flights.id
-- n: ; by planes.tail, flights.tail, weather.origin, flights.origin, weather.wind, planes.year
select id, (select count(*) from planes p where p.tail = f.tail and p.year > (
    select max(wind) from weather w where w.origin = f.origin)) as n
from flights f;

-- unused_column: what a nested query selects and nobody reads does not count
-- id: flights.id
-- delay: flights.delay
select id, delay from (select id, delay, tail || origin as key, dep from flights);

-- threshold: a filter against a total
-- rows: flights.delay
-- id: flights.id
select id from flights where delay > (select quantile_cont(delay, 0.8) from flights);
