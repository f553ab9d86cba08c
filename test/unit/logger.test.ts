import { describe, expect, it } from 'vitest';
import { createLogger, NestLogger } from '../../src/platform/logging/logger.js';

interface Line {
  readonly msg?: string;
  readonly err: { readonly type: string; readonly message: string; readonly errors?: unknown[] };
}

function logged(thrown: unknown): Line {
  const lines: string[] = [];
  const settings = { LOG_LEVEL: 'info', LOG_FORMAT: 'json', NODE_ENV: 'test' } as const;
  const log = new NestLogger(createLogger(settings, { write: (line) => void lines.push(line) }));
  log.error({ msg: 'it failed', err: thrown }, 'Test');
  expect(lines).toHaveLength(1);
  return JSON.parse(lines.join('')) as Line;
}

describe('logs a thrown value that is not an Error:', () => {
  it('an object with its error fields', () => {
    const { err } = logged({ message: 'no route', code: 'E_ROUTE', status: 503 });
    expect(err.message).toContain('message: no route, code: E_ROUTE, status: 503');
  });

  it('an object without the fields that may contain data', () => {
    const { err } = logged({ reason: 'refused', parameters: ['salary'], detail: 'salary' });
    expect(err.message).toContain('reason: refused, parameters: array, detail: string');
    expect(err.message).not.toContain('salary');
  });

  it('an object with its secret redacted', () => {
    const { err } = logged({ message: `key rgw_${'a'.repeat(43)}` });
    expect(err.message).toContain('message: key [redacted]');
  });

  it('an object without a prototype', () => {
    const thrown: object = Object.assign(Object.create(null) as object, { code: 'E_BARE' });
    expect(logged(thrown).err.message).toContain('code: E_BARE');
  });

  it('an object with many long fields, truncated', () => {
    const long = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`field${n}`, 'x'.repeat(9999)]),
    );
    expect(logged({ message: 'y'.repeat(99_999), ...long }).err.message.length).toBeLessThan(1001);
  });

  it('an object with unreadable fields', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(logged(proxy).err.message).toContain('cannot be read');
  });

  it.each([
    ['a string', 'out of order', 'out of order'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a symbol', Symbol('order'), 'Symbol(order)'],
    ['a big integer', 12n, '12'],
  ])('%s', (_case, thrown, message) => {
    expect(logged(thrown).err.message).toBe(message);
  });
});

it('logs the errors of an AggregateError', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const { err } = logged(new AggregateError([refused]));
  expect(err.errors).toEqual([expect.objectContaining({ code: 'ECONNREFUSED' })]);
});

it('logs an Error whose message is not a string', () => {
  const { err } = logged(Object.assign(new Error(), { message: { salary: 1 } }));
  expect(err).toMatchObject({ type: 'Error', message: 'object' });
});
