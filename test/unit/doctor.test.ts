import { expect, it } from 'vitest';
import { withCheckTimeout } from '../../src/doctor/doctor.js';
import { checkCallbackAddress } from '../../src/doctor/callback-check.js';
import { fail, ok, warn } from '../../src/doctor/finding.js';
import { reasonOf } from '../../src/doctor/reasons.js';
import { asJson, asText, isWell } from '../../src/doctor/report.js';
import { Settings } from '../../src/platform/config/settings.js';
import { neverPrint } from '../../src/platform/logging/redaction.js';

it('ends a check that ignores its timeout', async () => {
  expect(await withCheckTimeout('disk', 30, () => new Promise(() => undefined))).toEqual([
    expect.objectContaining({ status: 'fail', message: 'no answer within 0.03 s' }),
  ]);
});

it('reports a check that throws', async () => {
  const check = (): Promise<never> => Promise.reject(new Error('no idea'));
  expect(await withCheckTimeout('disk', 1000, check)).toEqual([
    expect.objectContaining({ status: 'fail', message: 'the check itself failed: no idea' }),
  ]);
});

it('counts warnings and errors in the last line', () => {
  const text = asText([
    ok('a', 'x'),
    warn('b', 'x', 'y'),
    warn('c', 'x', 'y'),
    fail('d', 'x', 'y'),
  ]);
  expect(text.split('\n').at(-1)).toBe('1 ok, 2 warnings, 1 error');
});

it('prints no secret and no second line of a finding', () => {
  neverPrint('hunter2-hunter2');
  const findings = [
    fail('x', 'it said hunter2-hunter2\nok    y  all is well', 'ask hunter2-hunter2'),
  ];
  for (const text of [asText(findings), asJson(findings)]) expect(text).not.toContain('hunter2');
  expect(asText(findings).split('\n')).toHaveLength(2);
  expect([isWell(findings), isWell([ok('x', 'y')])]).toEqual([false, true]);
  expect(JSON.parse(asJson(findings))).toMatchObject({ ok: false, checks: [{ check: 'x' }] });
});

it('names the reason of a nested connection error', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' });
  const all = new AggregateError([refused, refused]);
  expect(reasonOf(new TypeError('fetch failed', { cause: refused }))).toBe(
    'the connection was refused',
  );
  expect(reasonOf(new TypeError('fetch failed', { cause: all }))).toBe(
    'the connection was refused',
  );
  expect(reasonOf(new DOMException('late', 'TimeoutError'))).toBe('no answer came in time');
  expect(reasonOf(new Error('something else'))).toBe('something else');
});

it('does not ask a local gateway with the sandbox for PUBLIC_URL, which it sets itself', async () => {
  const settings = Settings.read({ NODE_ENV: 'development' }).settings;
  const found = await checkCallbackAddress(settings, AbortSignal.timeout(1000));
  expect(found).toEqual([expect.objectContaining({ check: 'callback address', status: 'ok' })]);
});

it('warns that Reducto cannot call a local gateway back without PUBLIC_URL', async () => {
  const settings = Settings.read({ NODE_ENV: 'development', REDUCTO_API_KEY: 'x' }).settings;
  const found = await checkCallbackAddress(settings, AbortSignal.timeout(1000));
  expect(found).toEqual([warn('callback address', expect.any(String), 'set PUBLIC_URL')]);
});
