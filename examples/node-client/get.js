#!/usr/bin/env node
// Looks features up and prints a table:
//
//   node get.js localhost:6566 --endpoint eta-prod --key origin=JFK,LGA
//   node get.js localhost:6566 airport_weather@v2:temp --key origin=JFK --token-file token --ca ca.pem

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { connect } from './client.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'feature-set': { type: 'string' },
    model: { type: 'string' },
    endpoint: { type: 'string' },
    key: { type: 'string', multiple: true, default: [] },
    at: { type: 'string' },
    lock: { type: 'string' },
    timeout: { type: 'string', default: '10' },
    'token-file': { type: 'string' },
    ca: { type: 'string' },
    certificate: { type: 'string' },
    'private-key': { type: 'string' },
    json: { type: 'boolean' },
  },
});

const READ = { Int32: Number, Int64: BigInt, Bool: (text) => text === 'true', Bytes: Buffer.from };

/** The texts of --key as the columns that the request needs, each of its key's type. */
function entities(keys) {
  const types = Object.fromEntries(keys.map(({ name, type }) => [name, type]));
  return Object.fromEntries(
    options.key.map((text) => {
      const [name, list] = text.split(/=(.*)/s);
      const texts = list.startsWith('[') ? JSON.parse(list) : list.split(',');
      const type = types[name] ?? 'String';
      return [name, { type, values: texts.map((item) => (item === null ? null : (READ[type] ?? String)(item))) }];
    }),
  );
}

function shown(value, status) {
  const text = Buffer.isBuffer(value) ? value.toString('base64') : Array.isArray(value) ? json(value) : String(value);
  return status === 'PRESENT' ? text : value === null ? `(${status})` : `${text} (${status})`;
}

/** JSON that keeps what JSON has no form for as text: BigInt, bytes (base64), NaN and infinities. */
function json(value) {
  return JSON.stringify(value, (_, item) => {
    if (typeof item === 'bigint' || (typeof item === 'number' && !Number.isFinite(item))) return String(item);
    return item?.type === 'Buffer' ? Buffer.from(item.data).toString('base64') : item;
  });
}

const [address, ...features] = positionals;
const tls = options.ca && { ca: options.ca, certificate: options.certificate, key: options['private-key'] };
const token = options['token-file'] && readFileSync(options['token-file'], 'utf8').trim();
const client = connect(address, { token, tls, timeout: Number(options.timeout) });
try {
  const what = { features, featureSet: options['feature-set'], model: options.model, endpoint: options.endpoint };
  const { keys } = await client.describe(what);
  const at = options.at && new Date(options.at);
  const answer = await client.getFeatures({ ...what, entities: entities(keys), at, lock: options.lock, eventTimes: true });
  if (options.json) {
    console.log(json(answer));
  } else {
    const rows = Array.from({ length: answer.rows }, (_, row) =>
      Object.fromEntries(answer.columns.map((column) => [column.name, shown(column.values[row], column.statuses[row])])),
    );
    console.table(rows);
    for (const { name, view, version, snapshot } of answer.columns) console.log(`${name}: ${view}@v${version}, rows of ${snapshot}`);
  }
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
