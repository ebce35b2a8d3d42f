-- chain: three steps
-- rows: weather.wind, weather.origin
-- origin: weather.origin
-- peak: weather.temp, weather.wind
-- low: weather.temp, weather.wind
with a as (select *, temp - wind as chill from weather where wind > 2),
    b as (select origin, ts, chill, chill * 2 as twice from a),
    c as (select origin, max(twice) as peak, min(chill) as low from b group by origin)
select origin, peak, low from c;

-- unread: a CTE that nothing reads does not act
-- id: flights.id
with unused as (select tail from planes where year > 2000) select id from flights;

-- renamed: columns named in WITH
-- rows: flights.origin
-- airport: flights.origin
-- worst: flights.delay
with worst(airport, worst) as (select origin, max(delay) from flights group by origin) select airport, worst from worst;

-- twice: one CTE read under two aliases
-- rows: weather.origin
-- origin: weather.origin
-- warmer: weather.temp
with w as (select origin, avg(temp) as t, max(wind) as m from weather group by origin)
select a.origin, a.t - b.t as warmer from w a, w b where a.origin < b.origin;

-- shadows_source: a CTE may be called like a source
-- rows: weather.wind
-- origin: weather.origin
-- temp: weather.temp
with weather as (select origin, temp from weather where wind > 3) select origin, temp from weather;

-- nested_with: WITH inside a subquery
-- rows: flights.delay
-- id: flights.id
select id from (with late as (select id, delay from flights where delay > 3) select id from late);

-- counting: rows made of nothing
-- n:
-- year: planes.year
with recursive r(n, year) as (
    select 1, max(year) from planes union all select n + 1, year + 1 from r where n < 4
)
select n, year from r;

-- chain_of_referrers: a walk over a self-reference
-- rows: customers.customer, customers.referrer
-- customer: customers.customer
-- root: customers.referrer
-- depth:
with recursive up as (
    select customer, referrer as root, 1 as depth from customers where referrer is not null
    union all
    select u.customer, c.referrer, u.depth + 1 from up u join customers c on c.customer = u.root
    where c.referrer is not null and u.depth < 5
)
select customer, root, depth from up;

-- recursive_stop: the walk ends by a value
-- rows: orders.total
-- id: orders.id
-- total: orders.total
-- step:
with recursive r as (
    select id, total, 0 as step from orders
    union all select id, total / 2, step + 1 from r where total > 20
)
select id, total, step from r;

-- reached: UNION keeps each row once, so all its columns act
-- rows: customers.customer, customers.referrer, customers.country
-- customer: customers.customer, customers.referrer
-- country: customers.country
with recursive r as (
    select customer, country from customers
    union select c.referrer, r.country from r join customers c on c.customer = r.customer
    where c.referrer is not null
)
select customer, country from r;

-- materialized: a hint changes nothing
-- rows: flights.tail
-- tail: flights.tail
-- flown:
with per_plane as materialized (select tail, count(*) as flown from flights group by tail) select tail, flown from per_plane;

-- features: what a feature view looks like, several steps together
-- rows: orders.customer, orders.status, customers.customer
-- customer: customers.customer
-- at: orders.placed
-- spent_before: orders.total; by orders.placed
-- orders_before: ; by orders.placed
-- days_since_joined: orders.placed, customers.joined
-- country: customers.country
with paid as (select customer, placed, total from orders where status = 'paid'),
    running as (
        select customer, placed as at, sum(total) over w as spent_before, count(*) over w as orders_before from paid
        window w as (partition by customer order by placed rows between unbounded preceding and 1 preceding)
    )
select c.customer, r.at, r.spent_before, r.orders_before, date_diff('day', c.joined, r.at) as days_since_joined,
    c.country
from running r join customers c using (customer);

-- target_rate: a mean of others, joined back
-- rows: flights.origin
-- id: flights.id
-- origin: flights.origin
-- rate: flights.delay, flights.id
with rates as (select origin, avg((delay > 10)::integer) as rate, max(id) as newest from flights group by origin)
select f.id, f.origin, r.rate - f.id * 0.001 as rate from flights f join rates r on r.origin = f.origin;
