-- exclude: all but some
-- origin: weather.origin
-- ts: weather.ts
-- temp: weather.temp
select * exclude (tags, wind) from weather;

-- replace: one column by an expression
-- origin: weather.origin
-- ts: weather.ts
-- temp: weather.temp, weather.wind
-- wind: weather.wind
select * exclude (tags) replace (temp + wind as temp) from weather;

-- rename: one under another name
-- origin: weather.origin
-- at_time: weather.ts
-- temp: weather.temp
-- wind: weather.wind
select * exclude (tags) rename (ts as at_time) from weather;

-- qualified: the columns of one table of a join
-- rows: flights.tail, planes.tail
-- tail: planes.tail
-- year: planes.year
-- info: planes.info
-- id: flights.id
select p.*, f.id from flights f join planes p on p.tail = f.tail;

-- star_using: a column of USING comes once
-- rows: flights.tail, planes.tail
-- id: flights.id
-- tail: flights.tail
-- year: planes.year
select * exclude (origin, dep, delay, info) from flights join planes using (tail);

-- from_first: FROM without SELECT is all columns
-- rows: planes.year
-- tail: planes.tail
-- year: planes.year
-- info: planes.info
from planes where year > 2000;

-- star_of_cte: through a star of a star
-- rows: flights.delay
-- id: flights.id
-- delay: flights.delay
with a as (select id, delay from flights), b as (select * from a where delay > 2) select * from b;
