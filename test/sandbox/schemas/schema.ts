/*
 * JSON Schemas of Reducto's answers, after the API's description v1.12.12. Objects are closed, so that a test finds
 * misspelled members. Optional members may be null. `response_type` is required: the Go SDK decodes by it.
 */

export type Schema = Record<string, unknown>;
export type Members = Record<string, Schema>;

export const text: Schema = { type: 'string' };
export const link: Schema = { type: 'string', pattern: '^https?://' };
export const flag: Schema = { type: 'boolean' };
export const int: Schema = { type: 'integer' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const number: Schema = { type: 'number' };
export const amount: Schema = { type: 'number', minimum: 0 };
export const fraction: Schema = { type: 'number', minimum: 0, maximum: 1 };
export const anything: Schema = {};
export const anyObject: Schema = { type: 'object' };
export const nothing: Schema = { type: 'null' };
export const is = (value: string): Schema => ({ type: 'string', const: value });
export const oneOf = (...values: string[]): Schema => ({ type: 'string', enum: values });
export const anyOf = (...schemas: Schema[]): Schema => ({ anyOf: schemas });
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const map = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
export const ref = (name: string): Schema => ({ $ref: `reducto#/$defs/${name}` });

export function object(required: Members, optional: Members = {}): Schema {
  const nullable = Object.entries(optional).map(([name, schema]) => [name, anyOf(schema, nothing)]);
  return {
    type: 'object',
    properties: { ...required, ...Object.fromEntries(nullable) },
    required: Object.keys(required),
    additionalProperties: false,
  };
}
