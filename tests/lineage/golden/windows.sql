-- rolling: a frame over time
-- origin: weather.origin
-- ts: weather.ts
-- wind_6h: weather.wind; by weather.origin, weather.ts
-- temp: weather.temp
select origin, ts, avg(wind) over (partition by origin order by ts
    range between interval 2 hours preceding and current row) as wind_6h, temp
from weather;

-- named: windows by name, one with a frame of its own
-- origin: weather.origin
-- total: weather.temp; by weather.origin, weather.ts
-- before: weather.wind; by weather.origin, weather.ts
-- first_of_two: weather.wind; by weather.origin, weather.ts
select origin, sum(temp) over w as total, lag(wind) over w as before,
    first_value(wind) over (w rows between 1 preceding and current row) as first_of_two
from weather window w as (partition by origin order by ts);

-- two_named: each output has its own window
-- id: flights.id
-- of_plane: ; by flights.tail, flights.dep
-- of_airport: ; by flights.origin, flights.delay
select id, row_number() over p as of_plane, rank() over a as of_airport from flights
window p as (partition by tail order by dep), a as (partition by origin order by delay desc);

-- ranks: a rank depends on what is ordered
-- id: flights.id
-- place: ; by flights.delay
-- quarter: ; by flights.origin, flights.dep, flights.id
-- share: ; by flights.delay
select id, dense_rank() over (order by delay) as place, ntile(4) over (partition by origin order by dep, id) as quarter,
    percent_rank() over (order by delay) as share
from flights;

-- neighbours: LAG and LEAD with an offset and a default
-- id: flights.id
-- gap: flights.dep; by flights.tail
-- next_delay: flights.delay; by flights.tail, flights.dep, flights.id
select id, dep - lag(dep) over (partition by tail order by dep) as gap,
    lead(delay, 1, -99) over (partition by tail order by dep, id) as next_delay
from flights;

-- latest: the newest row of each group
-- rows: flights.tail, flights.dep, flights.id
-- id: flights.id
-- tail: flights.tail
-- delay: flights.delay
select id, tail, delay from flights qualify row_number() over (partition by tail order by dep desc, id) = 1;

-- latest_nested: the same as a filter around
-- rows: flights.tail, flights.dep, flights.id
-- id: flights.id
-- delay: flights.delay
select id, delay from (select *, row_number() over (partition by tail order by dep desc, id) as n from flights)
where n = 1;

-- qualify_alias: QUALIFY by the name of an output
-- rows: flights.origin, flights.delay
-- id: flights.id
-- place: ; by flights.origin, flights.delay
select id, rank() over (partition by origin order by delay) as place from flights qualify place <= 2;

-- over_groups: a window over aggregates
-- rows: weather.origin
-- origin: weather.origin
-- total: weather.temp
-- place: ; by weather.wind
select origin, sum(temp) as total, rank() over (order by max(wind)) as place from weather group by origin;

-- share_of_total: a part of a total
-- rows: flights.origin, flights.tail
-- origin: flights.origin
-- tail: flights.tail
-- share: flights.delay
select origin, tail, sum(delay) / sum(sum(delay)) over (partition by origin) as share from flights
group by origin, tail;

-- filtered_window: FILTER decides what is counted
-- origin: weather.origin
-- warm: weather.temp; by weather.origin, weather.ts
select origin, count(*) filter (where temp > 4) over (partition by origin order by ts) as warm from weather;

-- no_window: the whole table as the frame
-- id: flights.id
-- deviation: flights.delay
-- rows_there:
select id, delay - avg(delay) over () as deviation, count(*) over () as rows_there from flights;

-- last_known: fill forward
-- id: flights.id
-- last_tail: flights.tail; by flights.origin, flights.dep, flights.id
select id, last_value(tail ignore nulls) over (partition by origin order by dep, id) as last_tail from flights;

-- sessions: a gap of an hour starts a new one
-- customer: clicks.customer
-- seen: clicks.seen
-- session: clicks.seen; by clicks.customer
with marked as (
    select customer, seen, coalesce(seen - lag(seen) over (partition by customer order by seen) > interval 1 hour, true) as starts
    from clicks
)
select customer, seen, sum(starts::integer) over (partition by customer order by seen) as session from marked;

-- frame_excludes: everything but the row itself
-- id: flights.id
-- others: flights.delay; by flights.origin, flights.dep
select id, avg(delay) over (partition by origin order by dep rows between unbounded preceding and unbounded following
    exclude current row) as others
from flights;
