import { isJsonObject, JsonObject, objectAt } from '../json.js';

const MAX_DEPTH = 16;
const MAX_ITEMS = 16;
/** Bounds schemas that refer to themselves more than once. */
const MAX_VALUES = 10_000;
const SAMPLE_TEXTS = new Map<unknown, string>(
  Object.entries({
    date: '2026-01-31',
    'date-time': '2026-01-31T12:00:00Z',
    time: '12:00:00Z',
    email: 'sample@example.com',
    uri: 'https://example.com/sample',
    uuid: '00000000-0000-4000-8000-000000000000',
  }),
);

/** A value that conforms to a JSON schema. It is not read from the document: the real extract uses a model. */
export function sampleOf(schema: unknown): unknown {
  const root = isJsonObject(schema) ? schema : {};
  return valueOf(root, { root, name: 'value', depth: 0, values: { count: 0 } }) ?? {};
}

interface Place {
  root: JsonObject;
  name: string;
  depth: number;
  /** Shared by all places of a schema. */
  values: { count: number };
}

function valueOf(given: unknown, place: Place): unknown {
  place.values.count += 1;
  const isTooMuch = place.depth > MAX_DEPTH || place.values.count > MAX_VALUES;
  if (!isJsonObject(given) || isTooMuch) return null;
  const below = { ...place, depth: place.depth + 1 };
  if (typeof given['$ref'] === 'string') return valueOf(resolve(place.root, given['$ref']), below);
  if ('const' in given) return given['const'];
  const [choice] = listAt(given, 'enum');
  if (choice !== undefined) return choice;
  const variants = [
    ...listAt(given, 'anyOf'),
    ...listAt(given, 'oneOf'),
    ...listAt(given, 'allOf'),
  ];
  const variant = variants.find((one) => isJsonObject(one) && one['type'] !== 'null');
  if (variant !== undefined) return valueOf(variant, below);
  switch (typeOf(given)) {
    case 'object':
      return Object.fromEntries(
        Object.entries(objectAt(given, 'properties')).map(([name, part]) => [
          name,
          valueOf(part, { ...below, name }),
        ]),
      );
    case 'array': {
      const { minItems } = given;
      const length = Math.min(MAX_ITEMS, Math.max(1, typeof minItems === 'number' ? minItems : 1));
      return Array.from({ length }, () => valueOf(given['items'], below));
    }
    case 'number':
    case 'integer':
      return typeof given['minimum'] === 'number' ? Math.ceil(given['minimum']) : 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return SAMPLE_TEXTS.get(given['format']) ?? `Sample ${place.name.replaceAll('_', ' ')}`;
  }
}

/** `type` may be a list such as ["string", "null"]; without it, `properties` and `items` imply it. */
function typeOf(schema: JsonObject): unknown {
  const { type } = schema;
  if (Array.isArray(type)) return type.find((one) => one !== 'null');
  if (type !== undefined) return type;
  if ('properties' in schema || Object.keys(schema).length === 0) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

function listAt(schema: JsonObject, key: string): unknown[] {
  const value = schema[key];
  return Array.isArray(value) ? value : [];
}

/** References of the form `#/$defs/Name`. */
function resolve(root: JsonObject, reference: string): unknown {
  const names = reference.split('/').slice(1);
  return names.reduce<unknown>((at, name) => (isJsonObject(at) ? at[name] : undefined), root);
}

export function mapLeaves(value: unknown, map: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, map));
  if (!isJsonObject(value)) return map(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, mapLeaves(member, map)]),
  );
}
