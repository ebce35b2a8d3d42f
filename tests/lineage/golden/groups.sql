-- hourly: what is grouped by acts on all
-- rows: weather.origin, weather.ts
-- origin: weather.origin
-- hour: weather.ts
-- hottest: weather.temp
-- reports:
select origin, date_trunc('hour', ts) as hour, max(temp) as hottest, count(*) as reports from weather group by 1, 2;

-- all_keys: GROUP BY ALL groups by what is no aggregate
-- rows: weather.origin
-- origin: weather.origin
-- total: weather.wind
-- warmest_windy: weather.temp, weather.wind
select origin, sum(wind) as total, max(temp) filter (where wind > 3) as warmest_windy from weather group by all;

-- hidden_key: grouped by what is not shown
-- rows: flights.tail
-- flown: flights.id
-- worst: flights.delay
select count(id) as flown, max(delay) as worst from flights group by tail;

-- having: which groups stay
-- rows: weather.origin, weather.wind
-- origin: weather.origin
-- mean: weather.temp
select origin, avg(temp) as mean from weather group by origin having max(wind) > 8;

-- having_alias: a group is kept by an output
-- rows: weather.origin, weather.temp
-- origin: weather.origin
-- mean: weather.temp
-- windiest: weather.wind
select origin, avg(temp) as mean, max(wind) as windiest from weather group by origin having mean > 3;

-- where_and_having: rows and groups
-- rows: flights.tail, flights.delay, flights.origin
-- tail: flights.tail
-- first: flights.dep
select tail, min(dep) as first from flights where delay > 0 group by tail having count(distinct origin) > 1;

-- total: one row, whatever is filtered: a constant beside it never moves
-- mean: weather.temp; by weather.wind
-- reports: ; by weather.wind
-- version:
select avg(temp) as mean, count(*) as reports, 'v1' as version from weather where wind > 2;

-- total_having: unless HAVING may take the one row away
-- rows: weather.wind, weather.temp
-- mean: weather.temp
-- version:
select avg(temp) as mean, 'v1' as version from weather where wind > 2 having max(temp) > 8;

-- distinct: rows are told apart by all that is selected
-- rows: flights.origin, flights.tail
-- origin: flights.origin
-- tail: flights.tail
select distinct origin, tail from flights;

-- distinct_on: one row each, the first
-- rows: flights.origin, flights.dep, flights.id
-- origin: flights.origin
-- id: flights.id
-- delay: flights.delay
select distinct on (origin) origin, id, delay from flights order by origin, dep, id;

-- rollup: subtotals, and which they are
-- rows: flights.origin, flights.tail
-- origin: flights.origin
-- tail: flights.tail
-- level:
-- total: flights.delay
select origin, tail, grouping(origin, tail) as level, sum(delay) as total from flights group by rollup (origin, tail);

-- cube: every subtotal
-- rows: flights.origin, flights.tail
-- origin: flights.origin
-- tail: flights.tail
-- flown:
select origin, tail, count(*) as flown from flights group by cube (origin, tail);

-- grouping_sets: the subtotals that are named
-- rows: flights.origin, flights.dep
-- origin: flights.origin
-- day: flights.dep
-- total: flights.delay
select origin, date_trunc('hour', dep) as day, sum(delay) as total from flights
group by grouping sets ((origin), (day), ());

-- by_alias: grouped by an output's name
-- rows: flights.dep
-- hour: flights.dep
-- planes: flights.tail
select date_trunc('hour', dep) as hour, count(distinct tail) as planes from flights group by hour;

-- shadowed_key: a column's name wins in GROUP BY
-- rows: flights.origin
-- origin: flights.origin
-- worst: flights.delay
select lower(any_value(origin)) as origin, max(delay) as worst from flights group by flights.origin;

-- ordered_aggregate: the order inside an aggregate acts
-- rows: weather.origin
-- origin: weather.origin
-- temps: weather.temp; by weather.ts
-- winds: weather.wind; by weather.temp, weather.ts
select origin, list(temp order by ts desc) as temps, string_agg(wind, ',' order by temp, ts) as winds
from weather group by origin;

-- at_the_peak: ARG_MAX reads both its arguments
-- rows: weather.origin
-- origin: weather.origin
-- last: weather.temp, weather.ts
-- at_peak: weather.wind, weather.temp
select origin, arg_max(temp, ts) as last, max_by(wind, temp) as at_peak from weather group by origin;

-- quantiles: of a value, two ways
-- rows: weather.origin
-- origin: weather.origin
-- median: weather.temp
-- p90: weather.wind
select origin, quantile_cont(temp, 0.5) as median, percentile_cont(0.9) within group (order by wind) as p90
from weather group by origin;

-- regression: two columns into one number
-- rows: weather.origin
-- origin: weather.origin
-- slope: weather.temp, weather.wind
-- spread: weather.temp
select origin, regr_slope(temp, wind) as slope, stddev_samp(temp) as spread from weather group by origin;

-- counted_apart: counts under conditions
-- rows: orders.customer
-- customer: orders.customer
-- paid: orders.status
-- spent: orders.total, orders.status
-- last_big: orders.placed, orders.total
select customer, count(*) filter (where status = 'paid') as paid, sum(case when status <> 'refunded' then total end)
    as spent, max(placed) filter (where total > 40) as last_big
from orders group by customer;

-- funnel: steps by user
-- rows: clicks.customer
-- customer: clicks.customer
-- pages: clicks.page
-- bought: clicks.page, clicks.device
-- mobile_share: clicks.device
select customer, count(distinct page) as pages, bool_or(page = 'buy' and device = 'web') as bought,
    avg((device = 'app')::integer) as mobile_share
from clicks group by customer;
