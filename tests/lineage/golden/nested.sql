-- unnested: one row for each element
-- rows: weather.tags
-- origin: weather.origin
-- ts: weather.ts
-- tag: weather.tags
select origin, ts, tag from weather, unnest(tags) as u(tag);

-- unnested_item: the same in the select list
-- rows: weather.tags
-- origin: weather.origin
-- tag: weather.tags
-- temp: weather.temp
select origin, unnest(tags) as tag, temp from weather;

-- kept_when_empty: LEFT JOIN keeps rows without elements
-- rows: weather.tags
-- origin: weather.origin
-- tag: weather.tags
select origin, tag from weather left join lateral unnest(tags) as u(tag) on true;

-- numbered: the place of an element depends on how many there are
-- rows: weather.tags
-- origin: weather.origin
-- tag: weather.tags
-- place:
select origin, tag, place from weather, unnest(tags) with ordinality as u(tag, place);

-- lambdas: a parameter is no column
-- origin: weather.origin
-- warmer: weather.tags, weather.temp
-- windy: weather.tags, weather.wind
select origin, list_transform(tags, lambda x: x + temp) as warmer, [t * 2 for t in tags if t > wind] as windy
from weather;

-- lambda_shadow: a parameter called like a column is still none
-- origin: weather.origin
-- few: weather.tags
select origin, list_filter(tags, lambda temp: temp > 2) as few from weather;

-- reduced: a list to a number
-- origin: weather.origin
-- total: weather.tags, weather.wind
-- best: weather.tags
select origin, list_reduce(tags, lambda a, b: a + b, 0) + wind as total, list_max(tags) as best from weather;

-- list_parts: slices, lengths, search
-- origin: weather.origin
-- first: weather.tags
-- some: weather.tags
-- has: weather.tags, weather.wind
select origin, tags[1] as first, len(tags[1:2]) as some, list_contains(tags, wind::integer) as has from weather;

-- fields: a field is of its struct's column
-- tail: planes.tail
-- maker: planes.info
-- seats: planes.info
select tail, planes.info.maker as maker, info['seats'] as seats from planes;

-- made_struct: a struct is all that is packed
-- tail: planes.tail
-- facts: planes.info, planes.year
select tail, {'seats': info.seats, 'year': year} as facts from planes;

-- read_back: and a field read of it is that field alone
-- id: flights.id
-- late: flights.delay
-- from_where: flights.origin
with packed as (select id, {'delay': delay, 'origin': origin} as facts from flights)
select id, facts.delay > 5 as late, packed.facts.origin as from_where from packed;

-- row_as_struct: a table's alias is its row
-- tail: planes.tail
-- year: planes.year
-- text: planes.tail, planes.year, planes.info
select tail, struct_extract(planes, 'year') as year, planes::varchar as text from planes;

-- lines: a list of structs, opened and totalled
-- rows: orders.lines, orders.id
-- id: orders.id
-- value: orders.lines
-- pieces: orders.lines
select id, sum(line.qty * line.price) as value, sum(line.qty) as pieces
from (select id, unnest(lines) as line from orders) group by id;

-- lines_in_place: the same without opening it
-- id: orders.id
-- value: orders.lines
-- expensive: orders.lines, orders.total
select id, list_sum([l.qty * l.price for l in lines]) as value,
    len(list_filter(lines, lambda l: l.price > total / 2)) as expensive
from orders;

-- maps: keys and values
-- origin: weather.origin
-- m: weather.origin, weather.temp
-- v: weather.wind, weather.origin
select origin, map {coalesce(origin, '?'): temp} as m, map([coalesce(origin, '?')], [wind])[origin] as v from weather;

-- json: text in, text out
-- tail: planes.tail
-- year: planes.year
select tail, ('{"year": ' || year || '}')::json ->> 'year' as year from planes;

-- series: rows from a number
-- rows: customers.referrer
-- customer: customers.customer
-- step: customers.referrer
select customer, step from customers, range(coalesce(referrer, 0) % 4) as r(step);

-- hours_of: a grid of all hours, filled
-- rows: weather.origin, weather.ts
-- origin: weather.origin
-- hour:
-- temp: weather.temp
with hours as (select timestamp '2024-01-01' + to_hours(i) as hour from range(5) t(i)),
    places as (select distinct origin from weather)
select p.origin, h.hour, w.temp from places p cross join hours h
left join weather w on w.origin = p.origin and w.ts = h.hour;

-- unpivoted_by_hand: VALUES of the row's own columns
-- id: flights.id
-- what:
-- value: flights.delay, flights.id
select id, what, value from flights cross join lateral (values ('delay', delay), ('id', id)) v(what, value);
