import { isRecord } from './platform/json/is-record.js';

/** Converts the schemas in a part of the description, in place. */
export function convertSchemas(part: unknown): void {
  if (Array.isArray(part)) part.forEach(convertSchemas);
  if (!isRecord(part)) return;
  for (const [name, value] of Object.entries(part)) {
    if (name === 'schema') part[name] = convertSchema(value);
    else if (name === 'schemas') part[name] = convertEach(value);
    else if (name !== 'example' && name !== 'examples') convertSchemas(value);
  }
}

/**
 * From the dialect of OpenAPI 3.0, in which @nestjs/swagger writes, to JSON Schema 2020-12. Numbers are integers unless
 * they have the format `double`.
 */
function convertSchema(schema: unknown): unknown {
  if (!isRecord(schema)) return schema;
  const { nullable, example, ...rest } = schema;
  const converted: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(rest)) {
    if (keyword === 'properties') converted[keyword] = convertEach(value);
    else if (keyword === 'items' || keyword === 'additionalProperties') {
      converted[keyword] = convertSchema(value);
    } else if (Array.isArray(value) && /^(all|any|one)Of$/.test(keyword)) {
      converted[keyword] = value.map(convertSchema);
    } else if (keyword === 'type' && rest['format'] !== 'double') {
      converted[keyword] = Array.isArray(value) ? value.map(integerOf) : integerOf(value);
    } else if (value === 'binary') {
      converted['contentMediaType'] = 'application/octet-stream';
    } else converted[keyword] = value;
  }
  if (example !== undefined) converted['examples'] = [example];
  return nullable === true ? orNull(converted) : converted;
}

function integerOf(type: unknown): unknown {
  return type === 'number' ? 'integer' : type;
}

function convertEach(schemas: unknown): unknown {
  if (!isRecord(schemas)) return schemas;
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, convertSchema(schema)]),
  );
}

function orNull(schema: Record<string, unknown>): Record<string, unknown> {
  const { type, allOf, enum: values, $ref, ...rest } = schema;
  if (typeof type === 'string' && allOf === undefined) {
    const allowed = Array.isArray(values) ? { enum: [...values, null] } : {};
    return { type: [type, 'null'], ...rest, ...allowed };
  }
  const some = $ref === undefined ? allOf : [{ $ref }];
  return { ...rest, anyOf: [...(Array.isArray(some) ? some : []), { type: 'null' }] };
}
