import { expect, it } from 'vitest';
import { limited } from '../../src/doctor/doctor.js';
import { fail, ok } from '../../src/doctor/finding.js';
import { reasonOf } from '../../src/doctor/reasons.js';
import { asJson, asText, isWell } from '../../src/doctor/report.js';
import { neverPrint } from '../../src/platform/logging/redaction.js';

it('a check that never ends is ended, and one that breaks says so', async () => {
  expect(await limited('odd', 30, () => new Promise(() => undefined))).toEqual([
    fail('odd', 'no answer within 0.03 s'),
  ]);
  expect(await limited('odd', 1000, () => Promise.reject(new Error('no idea')))).toEqual([
    fail('odd', 'the check itself failed: no idea'),
  ]);
});

it('whatever a message holds, no secret and no second line gets out', () => {
  neverPrint('hunter2-hunter2');
  const findings = [
    fail('x', 'it said hunter2-hunter2\nok    y  all is well', 'ask hunter2-hunter2'),
  ];
  for (const text of [asText(findings), asJson(findings)]) expect(text).not.toContain('hunter2');
  expect(asText(findings).split('\n')).toHaveLength(2);
  expect([isWell(findings), isWell([ok('x', 'y')])]).toEqual([false, true]);
  expect(JSON.parse(asJson(findings))).toMatchObject({ ok: false, checks: [{ check: 'x' }] });
});

it('reasons are in plain words, also those below others', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' });
  const all = new AggregateError([refused, refused]);
  expect(reasonOf(new TypeError('fetch failed', { cause: refused }))).toBe('nothing listens there');
  expect(reasonOf(new TypeError('fetch failed', { cause: all }))).toBe('nothing listens there');
  expect(reasonOf(new DOMException('late', 'TimeoutError'))).toBe('no answer came in time');
  expect(reasonOf(new Error('something else'))).toBe('something else');
});
