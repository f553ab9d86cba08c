import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAnswerBody } from '../../src/reducto/answer-body.js';
import { readPollAnswer } from '../../src/reducto/read-answers.js';
import { jsonTexts } from '../support/json-text.js';

/** Makes an answer large: JSON allows whitespace between its tokens. */
const PADDING = ' '.repeat(300_000);

const readBytes = (...parts: (string | Buffer)[]) =>
  readAnswerBody(parts.map((part) => Buffer.from(part)));
const pollOf = async (text: string) => readPollAnswer(await readBytes(text), 'job_1');

describe('a large answer', () => {
  test.each([
    ['a result before the status', '{"result":{"a":1.10},"status":"Completed"}', '{"a":1.10}'],
    ['two results, of which the last counts', '{"result":1,"status":"Completed","result":2}', '2'],
    ['a result behind an escaped name', '{"status":"Completed","\\u0072esult":[1]}', '[1]'],
    ['a plain and then an escaped name', '{"status":"Completed","result":1,"r\\u0065sult":2}', '2'],
    ['an escaped and then a plain name', '{"status":"Completed","r\\u0065sult":1,"result":2}', '2'],
    ['an escaped name of the status', '{"st\\u0061tus":"Completed","result":"x"}', '"x"'],
    ['a result within another member', '{"x":{"result":1},"result":2,"status":"Completed"}', '2'],
    ['an inner result', '{"status":"Completed","result":{"result":1}}', '{"result":1}'],
    [
      'names of prototypes',
      '{"__proto__":{"a":1},"status":"Completed","result":{"__proto__":1}}',
      '{"__proto__":1}',
    ],
    ['Unicode', '{"status":"Completed","result":"ä😀\\ud800"}', '"ä😀\\ud800"'],
    ['a byte order mark', '\ufeff{"status":"Completed","result":0}', '0'],
  ])('with %s has the result that a small one has', async (_, text, result) => {
    const expected = { kind: 'completed', result: Buffer.from(result) };
    expect(await pollOf(text)).toMatchObject(expected);
    expect(await pollOf(text + PADDING)).toMatchObject(expected);
  });

  test.each([
    ['the last result is null', '{"status":"Completed","result":1,"result":null}'],
    ['there is no result', '{"status":"Completed"}'],
  ])('holds no result where %s', async (_, text) => {
    expect(await pollOf(text)).toMatchObject({ kind: 'completed', result: null });
    expect(await pollOf(text + PADDING)).toMatchObject({ kind: 'completed', result: null });
  });

  test.each([
    ['NaN within the result', '{"status":"Completed","result":NaN}', true],
    ['a second value', '{"status":"Completed","result":1}{}', true],
    ['an end before its end', '{"status":"Completed","result":1', true],
    ['a status after what is wrong', '{"result":[1,],"status":"Completed"}', true],
    ['no JSON', 'upstream connect error', false],
    ['a list', '[{"status":"Completed"}]', false],
    ['a number', '7', false],
    ['no status', '{"result":1}', false],
    ['the id of the job alone', '{"job_id":"job_1"}', true],
  ])('with %s cannot be used', async (_, text, aboutJob) => {
    expect(await pollOf(text)).toMatchObject({ kind: 'unusable', aboutJob });
    expect(await pollOf(text + PADDING)).toMatchObject({ kind: 'unusable', aboutJob });
    expect(await pollOf(PADDING + text)).toMatchObject({ kind: 'unusable', aboutJob });
  });

  test('that is not UTF-8 cannot be used', async () => {
    const text = `{"status":"Completed","result":"${'x'.repeat(300_000)}`;
    const answer = await readBytes(text, Buffer.from([0xc3, 0x28]), '"}');
    expect(readPollAnswer(answer, 'job_1')).toMatchObject({ kind: 'unusable', aboutJob: true });
  });

  test('that is a page of a proxy says nothing about the job', async () => {
    expect(await pollOf(`<html>${'x'.repeat(400_000)}`)).toMatchObject({ kind: 'unavailable' });
  });

  test('about a failed job holds its reason and error', async () => {
    const failed = '{"status":"Failed","reason":"bad \\u00e4","error":{"name":"X","code":1}}';
    expect(await pollOf(failed + PADDING)).toEqual(await pollOf(failed));
  });

  test.each([
    ['characters', 'äx😀'],
    ['escapes', '\\ud83d\\ude00'],
    ['backslashes', '\\\\'],
    ['quotes', '\\"'],
  ])('about a failed job with a reason of many %s holds its beginning', async (_, unit) => {
    for (const before of ['', 'a', 'aa', 'aaa', 'aaaa', 'aaaaa']) {
      const reason = before + unit.repeat(300_000 / unit.length);
      const { kind, ...answer } = await pollOf(`{"status":"Failed","reason":"${reason}"}`);
      const { message } = 'error' in answer ? answer.error : { message: '' };
      expect(kind).toBe('failed');
      expect(message.slice(0, 900)).toBe(String(JSON.parse(`"${reason}"`)).slice(0, 900));
      expect(message.length).toBeLessThanOrEqual(1000);
    }
  });

  test('about a failed job keeps the reason where the error is large', async () => {
    const error = `{"name":"X","message":"${'x'.repeat(300_000)}"}`;
    expect(await pollOf(`{"status":"Failed","reason":"bad","error":${error}}`)).toMatchObject({
      kind: 'failed',
      error: { message: 'bad' },
    });
  });

  test('keeps the beginning of the name and the message of a large error', async () => {
    const large = 'x'.repeat(400_000);
    const earlier = `"error":{"type":"earlier"}`;
    const answer = `{${earlier},"status":"Failed","error":{"name":"${large}","message":"m${large}"}}`;
    const { body } = await readAnswerBody([Buffer.from(answer)]);
    expect(body).toMatchObject({
      status: 'Failed',
      error: { name: expect.stringMatching(/^x+$/), message: expect.stringMatching(/^mx+$/) },
    });
    expect(body).not.toHaveProperty('error.type');
  });

  test('with characters across the borders of its parts keeps its bytes', async () => {
    const bytes = Buffer.from(`{"status":"Completed","result":"${'😀'.repeat(100_000)}"}`);
    const parts = [
      bytes.subarray(0, 70_001),
      bytes.subarray(70_001, 140_003),
      bytes.subarray(140_003),
    ];
    const { result } = await readAnswerBody(parts);
    expect(result?.equals(bytes.subarray(31, -1))).toBe(true);
  });

  test('means what a small one means, whatever its JSON', async () => {
    const text = jsonTexts;
    await fc.assert(
      fc.asyncProperty(text, text, text, async (before, result, after) => {
        const answer = `{"a":${before},"result":${result},"status":"Completed","b":${after}}`;
        expect(await pollOf(answer + PADDING)).toEqual(await pollOf(answer));
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['small objects', '{"a":1},'],
    ['numbers', '1.5,'],
    ['escapes', '"\\u00e4\\n",'],
  ])('of many %s is read over many turns of the event loop', async (_, element) => {
    const elements = element.repeat(30_000_000 / element.length);
    const bytes = Buffer.from(`{"status":"Completed","result":[${elements}0]}`);
    const read = readAnswerBody([bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]);
    expect(await turnsDuring(read)).toBeGreaterThan(100);
  });
});

/** How often the event loop turned until `work` was done. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return turns;
}
