// A client of a featurestore server. `connect` once and keep it: a connection costs more than a call.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { decode, encodeKey } from './values.js';

const PROTO = fileURLToPath(new URL('../../proto', import.meta.url));
const MAX_MESSAGE = 256 << 20;
const STATUSES = [undefined, 'PRESENT', 'NULL', 'NOT_FOUND', 'EXPIRED'];

/** What the server says went wrong: `name` is the error's ('NotFoundError'), `code` gRPC's number. */
export class FeatureStoreError extends Error {
  constructor(error) {
    super(error.details || error.message, { cause: error });
    this.name = error.metadata?.get('featurestore-error')[0] ?? 'FeatureStoreError';
    this.code = error.code;
  }
}

/**
 * A client of the server at 'host:port'.
 *
 * @param {object} [options]
 * @param {string} [options.token] sent with each call as a bearer token
 * @param {true | {ca?: string, certificate?: string, key?: string}} [options.tls] true: the machine's roots; or paths of
 *   PEM files. Left away: plain text.
 * @param {number} [options.timeout] seconds that a call may take
 * @param {string} [options.proto] the folder with featurestore/serving/v1/serving.proto
 */
export function connect(address, { token, tls, timeout, proto = PROTO } = {}) {
  const definition = loadSync('featurestore/serving/v1/serving.proto', {
    includeDirs: [proto],
    keepCase: true,
    longs: String, // a number would lose what is above 2^53
    defaults: true,
    arrays: true,
  });
  const { FeatureService } = grpc.loadPackageDefinition(definition).featurestore.serving.v1;
  const stub = new FeatureService(address, credentials(tls), {
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
  });

  function call(method, request) {
    const metadata = new grpc.Metadata();
    if (token) metadata.set('authorization', `Bearer ${token}`);
    const options = timeout ? { deadline: Date.now() + timeout * 1000 } : {};
    return new Promise((resolve, reject) => {
      stub[method](request, metadata, options, (error, response) => {
        if (error) reject(new FeatureStoreError(error));
        else resolve(response);
      });
    });
  }

  return {
    /**
     * Looks features up; row i of the answer is row i of `entities`.
     *
     * Name what is read in one way: `features` (references), `featureSet`, `model` or `endpoint`.
     * `entities` holds a column for each join key; `at` is a Date, or left away for now.
     */
    async getFeatures({ entities, at, lock, eventTimes = false, ...what }) {
      const request = {
        ...named(what),
        entities: Object.entries(entities).map(([name, column]) => encodeKey(name, column)),
        lock_digest: lock,
        include_event_times: eventTimes,
      };
      if (at) request.at = String(at.getTime() * 1000);
      const { rows, columns } = await call('GetFeatures', request);
      return { rows, columns: columns.map(read) };
    },

    /** Tells what such a request needs and gives: keys, columns, and the lock's digest. */
    async describe(what) {
      return call('Describe', named(what));
    },

    close() {
      stub.close();
    },
  };
}

function named({ features, featureSet, model, endpoint }) {
  return { features, feature_set: featureSet, model, endpoint };
}

function credentials(tls) {
  if (!tls) return grpc.credentials.createInsecure();
  const pem = (path) => (path ? readFileSync(path) : null);
  const { ca, certificate, key } = tls === true ? {} : tls;
  return grpc.credentials.createSsl(pem(ca), pem(key), pem(certificate));
}

/** A column of the answer: where it comes from, and a status and a value for each row; null where there is no value. */
function read({ statuses, values, has_default: hasDefault, event_times: times, ...column }) {
  const states = Array.from(statuses, (code) => STATUSES[code]);
  const cells = decode(values ?? {}, column.type);
  const has = (state) => state === 'PRESENT' || (hasDefault && state !== 'NULL');
  return {
    ...column,
    statuses: states,
    values: states.map((state, row) => (has(state) ? cells[row] : null)),
    eventTimes: times.length
      ? decode({ int64s: times }, 'Timestamp').map((time, row) => (states[row] === 'NOT_FOUND' ? null : time))
      : [],
  };
}
