// Columns of one type on the wire, and the JavaScript values that they hold exactly; docs/clients.md has the table.
//
//   Float64 Float32 Int32     number            Bytes       Buffer
//   Int64                     bigint            Timestamp   text, '2024-01-01T00:00:00.000001Z'
//   Bool                      boolean           Date        text, '2024-01-01'
//   String                    string            Decimal     text, '-12.34'
//   List(T)                   array             Embedding   array of numbers

const DAY = 86_400_000n; // milliseconds

const plain = (field) => (values) => values[field];

const READERS = {
  Float64: plain('float64s'),
  Float32: plain('float32s'),
  Int64: (values) => values.int64s.map(BigInt), // the loader gives 64-bit integers as text
  Int32: plain('int32s'),
  Bool: plain('bools'),
  String: plain('strings'),
  Bytes: plain('binaries'),
  Timestamp: (values) => values.int64s.map((micros) => timestamp(BigInt(micros))),
  Date: (values) => values.int32s.map((days) => new Date(Number(BigInt(days) * DAY)).toISOString().slice(0, 10)),
  Decimal: (values, [, scale]) => chunks(values.decimals, 16).map((bytes) => decimal(bytes, scale)),
  Embedding: (values, [size]) => chunks(values.float32s, size),
  List: (values, [item]) => {
    const items = decode(values.items ?? {}, item);
    const nulls = values.items?.nulls ?? [];
    const elements = items.map((value, position) => (nulls[position] ? null : value));
    return values.offsets.slice(1).map((end, list) => elements.slice(values.offsets[list], end));
  },
};

/** The values of a column, one for each row: of a type in its text form, for example 'List(Decimal(10, 2))'. */
export function decode(values, type) {
  const [, kind, inner] = /^(\w+)(?:\((.*)\))?$/.exec(type);
  const parameters = kind === 'List' ? [inner] : (inner ?? '').split(',').map(Number);
  if (!READERS[kind]) throw new TypeError(`the type ${type} is newer than this client`);
  return READERS[kind](values, parameters);
}

function chunks(array, size) {
  return Array.from({ length: array.length / size }, (_, row) => array.slice(row * size, (row + 1) * size));
}

function timestamp(micros) {
  const millis = micros / 1000n - (micros % 1000n < 0n ? 1n : 0n); // rounds down, also before 1970
  const rest = String(micros - millis * 1000n).padStart(3, '0');
  return new Date(Number(millis)).toISOString().replace('Z', `${rest}Z`);
}

function decimal(bytes, scale) {
  const unscaled = (bytes.readBigInt64LE(8) << 64n) + bytes.readBigUInt64LE(0);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}${scale ? `.${digits.slice(point)}` : ''}`;
}

// What a join key may be: the wire's field, the zero that stands where a key is null, and how a value is written.
const KEYS = {
  String: ['strings', '', String],
  Int64: ['int64s', '0', whole],
  Int32: ['int32s', 0, Number],
  Bool: ['bools', false, Boolean],
  Bytes: ['binaries', Buffer.alloc(0), Buffer.from],
  Date: ['int32s', 0, (text) => Math.round(Date.parse(`${text}T00:00:00Z`) / Number(DAY))],
};

const KIND_OF = { string: 'String', bigint: 'Int64', number: 'Int64', boolean: 'Bool', object: 'Bytes' };

/** A key column of a request: an array, whose first value tells its type, or `{ type: 'Date', values: [...] }`. */
export function encodeKey(name, column) {
  const { type, values } = Array.isArray(column) ? { values: column } : column;
  const nulls = Buffer.from(values.map((value) => (value == null ? 1 : 0)));
  const first = values.find((value) => value != null);
  if (first === undefined) return { name, values: { nulls } };
  const kind = type ?? KIND_OF[typeof first];
  if (!KEYS[kind]) throw new TypeError(`${name}: a join key is one of ${Object.keys(KEYS).join(', ')}, not ${kind}`);
  const [field, zero, write] = KEYS[kind];
  return { name, type: kind, values: { [field]: values.map((value) => (value == null ? zero : write(value))), nulls } };
}

function whole(value) {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new TypeError(`${value} is no whole number below 2^53: give larger ones as BigInt, 9007199254740993n`);
  }
  return String(value);
}
