import 'reflect-metadata';
import { expect, test } from 'vitest';
import { ListJobsQuery } from '../../src/jobs/job.dto.js';
import { GatewayError, type FieldError } from '../../src/platform/errors/error-codes.js';
import { MAX_FIELD_ERRORS, validationPipe } from '../../src/platform/errors/field-errors.js';

async function refusal(value: unknown): Promise<GatewayError> {
  const error: unknown = await Promise.resolve()
    .then(() => validationPipe().transform(value, { type: 'body', metatype: ListJobsQuery }))
    .then(
      () => new Error('it was accepted'),
      (thrown: unknown) => thrown,
    );
  if (!(error instanceof GatewayError)) throw error;
  return error;
}

const errorsOf = (error: GatewayError): readonly FieldError[] => error.options.errors ?? [];

test('reports a limited number of unknown fields', async () => {
  const fields = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`f${index}`, 1]));
  expect(errorsOf(await refusal(fields))).toHaveLength(MAX_FIELD_ERRORS);
});

test('cuts the name of an unknown field that is millions of characters long', async () => {
  const [error] = errorsOf(await refusal({ ['('.repeat(4_000_000)]: 1 }));
  expect(error?.path.length).toBeLessThan(300);
  expect(error?.message.length).toBeLessThan(300);
});

test.each([
  ['many fields', Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, 1]))],
  ['a field with many values', { cursor: Array(20_000).fill('x') }],
  ['a nested object with many fields', { cursor: { a: { b: Array(20_000).fill(0) } } }],
])('refuses a body of a class before it is validated: %s', async (_shape, body) => {
  expect(await refusal(body)).toMatchObject({
    code: 'validation_failed',
    detail: 'More than 500 values were given.',
  });
});
