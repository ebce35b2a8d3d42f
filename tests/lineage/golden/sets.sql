-- union_all: each side flows; a side's filter acts on all
-- rows: weather.wind
-- origin: weather.origin, flights.origin
-- at: weather.ts, flights.dep
-- value: weather.temp, flights.delay
select origin, ts as at, temp as value from weather where wind > 3
union all select origin, dep, delay from flights;

-- union: equal rows are one, so every column acts
-- rows: weather.origin, flights.origin, weather.temp, flights.delay
-- origin: weather.origin, flights.origin
-- value: weather.temp, flights.delay
select origin, temp as value from weather union select origin, delay from flights;

-- union_top: ordered and cut as a whole
-- rows: weather.temp, flights.delay
-- origin: weather.origin, flights.origin
-- value: weather.temp, flights.delay
select origin, temp as value from weather union all select origin, delay from flights order by value limit 12;

-- by_name: columns meet by name, whatever their order; a missing one is null
-- origin: weather.origin, flights.origin
-- value: weather.temp
-- minutes: flights.delay
select origin, temp as value from weather union all by name select delay as minutes, origin from flights;

-- union_by_name: the same, with equal rows as one
-- rows: weather.origin, flights.origin, weather.temp, flights.delay
-- origin: weather.origin, flights.origin
-- value: weather.temp, flights.delay
select origin, temp as value from weather union by name select delay as value, origin from flights;

-- except: the values are the left side's, the right side takes rows away
-- rows: flights.origin, flights.tail, planes.tail, planes.info
-- origin: flights.origin
-- tail: flights.tail
select origin, tail from flights except select info.maker, tail from planes;

-- intersect: the right side decides which stay
-- rows: flights.delay, flights.origin, weather.origin
-- origin: flights.origin
select origin from flights where delay > 0 intersect select origin from weather;

-- three_sides: a chain of sets
-- rows: flights.origin, weather.origin, planes.info
-- code: flights.origin, weather.origin
(select origin as code from flights union select origin from weather) except select info.maker from planes;

-- constant_side: a literal tells the sides apart
-- customer: orders.customer, clicks.customer
-- at: orders.placed, clicks.seen
-- kind:
-- amount: orders.total
select customer, placed as at, 'order' as kind, total as amount from orders
union all select customer, seen, 'click', null from clicks;

-- over_a_union: a timeline of two sources, and the step between its events
-- customer: orders.customer, clicks.customer
-- moment: orders.placed, clicks.seen
-- since: orders.placed, clicks.seen; by orders.customer, clicks.customer
with events as (select customer, placed as moment from orders union all select customer, seen from clicks)
select customer, moment, moment - lag(moment) over (partition by customer order by moment) as since from events;
