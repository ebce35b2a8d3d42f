-- inner_join: the columns of ON act on every output
-- rows: flights.tail, planes.tail
-- id: flights.id
-- age: flights.dep, planes.year
select f.id, year(f.dep) - p.year as age from flights f join planes p on f.tail = p.tail;

-- left_join: a match may double a row or leave it empty
-- rows: flights.tail, planes.tail
-- id: flights.id
-- delay: flights.delay
-- year: planes.year
-- seats: planes.info
select f.id, f.delay, p.year, coalesce(p.info.seats, 0) as seats from flights f left join planes p on f.tail = p.tail;

-- left_join_condition: a condition in ON limits matches
-- rows: flights.tail, planes.tail, planes.year
-- id: flights.id
-- modern: planes.year
select f.id, p.year as modern from flights f left join planes p on f.tail = p.tail and p.year > 2000;

-- using: the column of USING is the left side's
-- rows: flights.tail, planes.tail
-- id: flights.id
-- tail: flights.tail
-- maker: planes.info
select id, tail, info.maker as maker from flights join planes using (tail);

-- using_right: after RIGHT JOIN it is the right side's
-- rows: flights.tail, planes.tail
-- tail: planes.tail
-- id: flights.id
select tail, id from flights right join planes using (tail);

-- using_full: after FULL JOIN it is both
-- rows: flights.tail, planes.tail
-- tail: flights.tail, planes.tail
-- id: flights.id
-- year: planes.year
select tail, id, year from flights full join planes using (tail);

-- natural: equal names are joined on
-- rows: flights.tail, planes.tail
-- id: flights.id
-- tail: flights.tail
-- year: planes.year
select id, tail, year from flights natural join planes;

-- natural_left: of several equal names all are joined on
-- rows: clicks.customer, orders.customer
-- id: orders.id
-- page: clicks.page
select o.id, c.page from orders o natural left join clicks c;

-- semi: only whether there is a match counts
-- rows: flights.tail, planes.tail
-- id: flights.id
-- delay: flights.delay
select id, delay from flights semi join planes using (tail);

-- anti: only that there is none
-- rows: flights.tail, planes.tail, planes.year
-- id: flights.id
select id from flights anti join planes on flights.tail = planes.tail and planes.year > 2000;

-- asof: the report last seen before departure
-- rows: flights.origin, weather.origin, flights.dep, weather.ts
-- id: flights.id
-- temp: weather.temp
-- since: flights.dep, weather.ts
select f.id, w.temp, f.dep - w.ts as since from flights f asof join weather w on f.origin = w.origin and f.dep >= w.ts;

-- asof_left: the same, and a flight without a report stays
-- rows: flights.origin, weather.origin, flights.dep, weather.ts
-- id: flights.id
-- wind: weather.wind
select f.id, w.wind from flights f asof left join weather w on f.origin = w.origin and w.ts <= f.dep;

-- asof_using: the last column of USING is the one that may be earlier
-- rows: clicks.customer, orders.customer, clicks.seen, orders.placed
-- customer: orders.customer
-- id: orders.id
-- page: clicks.page
select customer, id, page
from (select customer, placed as seen, id from orders) asof join clicks using (customer, seen);

-- cross: every pair
-- id: flights.id
-- year: planes.year
select f.id, p.year from flights f cross join planes p;

-- comma_where: a join written in WHERE
-- rows: flights.tail, planes.tail, flights.delay
-- id: flights.id
-- year: planes.year
select f.id, p.year from flights f, planes p where f.tail = p.tail and f.delay > 0;

-- range_join: joined on an interval
-- rows: flights.origin, weather.origin, weather.ts, flights.dep
-- id: flights.id
-- gust: weather.wind
select f.id, w.wind as gust from flights f
join weather w on w.origin = f.origin and w.ts between f.dep - interval 2 hours and f.dep;

-- self_join: the hour before, from the same source
-- rows: weather.origin, weather.ts
-- origin: weather.origin
-- ts: weather.ts
-- step: weather.temp
-- before: weather.wind
select a.origin, a.ts, a.temp - b.temp as step, b.wind as before from weather a
join weather b on a.origin = b.origin and b.ts = a.ts - interval 1 hour;

-- three_sources: a chain of joins
-- rows: flights.tail, planes.tail, flights.origin, weather.origin, flights.dep, weather.ts
-- id: flights.id
-- score: weather.wind, planes.year, flights.delay
select f.id, w.wind * (2020 - p.year) + f.delay as score from flights f
left join planes p using (tail)
left join weather w on w.origin = f.origin and date_trunc('hour', f.dep) = w.ts;

-- nested_join: a join in parentheses
-- rows: planes.year, weather.temp, planes.tail, flights.tail, weather.origin, flights.origin
-- id: flights.id
-- temp: weather.temp
-- year: planes.year
select f.id, w.temp, p.year from flights f left join (planes p join weather w on p.year > w.temp + 1990)
    on p.tail = f.tail and w.origin = f.origin;

-- positional: rows side by side
-- id: flights.id
-- year: planes.year
select a.id, b.year from flights a positional join planes b;

-- lateral: a subquery for each row
-- rows: weather.origin, flights.origin, weather.ts, flights.dep
-- id: flights.id
-- temp: weather.temp
select f.id, w.temp from flights f,
    lateral (select temp from weather w where w.origin = f.origin and w.ts <= f.dep order by w.ts desc limit 1) w;

-- lateral_total: an aggregate always gives one row, so it moves no other output
-- id: flights.id
-- hottest: weather.temp; by weather.origin, flights.origin
-- reports: ; by weather.origin, flights.origin
select f.id, x.hottest, x.reports from flights f,
    lateral (select max(temp) as hottest, count(*) as reports from weather w where w.origin = f.origin) x;

-- lateral_alias: a computed column to be used twice
-- origin: weather.origin
-- together: weather.temp, weather.wind
-- half: weather.temp, weather.wind
select origin, together, together / 2 as half from weather, (select temp + wind as together);

-- against_the_mean: joined with one row of totals
-- id: flights.id
-- relative: flights.delay; by flights.tail
with overall as (select avg(delay) as mean from flights where tail is not null)
select f.id, f.delay - overall.mean as relative from flights f cross join overall;

-- values_join: a table written out
-- rows: flights.origin
-- id: flights.id
-- weighted: flights.delay
select id, w.weight * delay as weighted from flights join (values ('JFK', 2), ('LGA', 3)) w(code, weight)
    on w.code = origin;

-- double_join: one dimension joined twice
-- rows: customers.customer, customers.referrer
-- customer: customers.customer
-- country: customers.country
-- from_country: customers.country
select c.customer, c.country, r.country as from_country from customers c
left join customers r on r.customer = c.referrer;
