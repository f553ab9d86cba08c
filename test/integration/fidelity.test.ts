import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JobQueries } from '../../src/jobs/persistence/job-queries.store.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { jsonObjectTexts, jsonTexts, jsonWhitespace } from '../support/json-text.js';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.js';

/* What a service sends reaches Reducto, and comes back to the service, byte by byte. */

let gateway: TestGateway;
let upstream: RawUpstream;
let adminKey: string;

beforeAll(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({ REDUCTO_BASE_URL: upstream.url });
  adminKey = await gateway.newKey('platform', ['admin', 'jobs']);
});
beforeEach(() => {
  upstream.answers.poll = { body: '{"status":"Pending"}' };
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

async function call(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${gateway.key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

async function submit(body: string, headers?: Record<string, string>): Promise<string> {
  const { status, text } = await call('POST', '/v1/jobs', body, headers);
  expect({ status, text }).toMatchObject({ status: 202 });
  return String(JSON.parse(text).id);
}

/** The body that Reducto got for a job, without the members that the gateway adds at its end. */
async function received(id: string): Promise<string> {
  const body = await eventually('the submit', () =>
    upstream.requests
      .filter(({ path }) => path.endsWith('_async'))
      .map((request) => request.body.toString())
      .find((text) => text.includes(`"gateway_job_id":"${id}"`)),
  );
  const added = /,?("priority":true,)?"(async|webhook)":\{[^{}]*(\{[^{}]*\}[^{}]*)*\}\}$/;
  expect(body).toMatch(added);
  return body.replace(added, '}');
}

const sent = async (body: string): Promise<string> => received(await submit(body));
const INPUT = '"input":"https://example.com/a.pdf"';
const parse = (members: string): string => `{"type":"parse",${INPUT},${members}}`;

it('passes any JSON to Reducto and returns any metadata byte by byte', async () => {
  const member = fc
    .tuple(fc.stringMatching(/^[a-z]{3,8}_$/), jsonWhitespace, jsonWhitespace, jsonTexts)
    .map(([name, before, after, value]) => `"${name}"${before}:${after}${value}`);
  const property = fc.asyncProperty(
    fc.array(member, { maxLength: 5 }),
    jsonObjectTexts,
    fc.nat(5),
    async (free, metadata, at) => {
      const request = [INPUT, ...free];
      const own = ['"type":"parse"', `"metadata":${metadata}`, '"priority":true'];
      const id = await submit(`{${request.toSpliced(at, 0, ...own).join(',')}}`);
      expect(await received(id)).toBe(`{${request.join(',')}}`);
      expect((await call('GET', `/v1/jobs/${id}`)).text).toContain(`"metadata":${metadata}`);
      expect((await call('GET', '/v1/jobs?limit=1')).text).toContain(`"metadata":${metadata}`);
    },
  );
  await fc.assert(property, { numRuns: 60, endOnFailure: true });
});

describe('a request reaches Reducto', () => {
  it.each([
    ['with names in their order', '"a":{"invoice_number":1,"date":2,"total":3,"a":4}'],
    ['with names of digits in their order', '"years":{"2024":1,"2023":2,"b":3,"1":4}'],
    [
      'with all digits of its numbers',
      '"n":[9007199254740993,1e400,1.10,-0,1E+2,0.1e1,123456789012345678901234567890]',
    ],
    ['with its escapes', '"e":"\\u0041\\/\\u00e9\\uD83D\\uDE00\\b"'],
    ['with escapes of NUL and of lone surrogates', '"e":"\\u0000\\ud83d x","\\ude00":1'],
    ['with members that have one name', '"a":{"x":1,"x":2},"b":1,"b":2'],
    ['with the name constructor', '"constructor":{"a":1},"settings":{"constructor":{}}'],
    ['with the name __proto__', '"__proto__":{"a":1},"settings":{"__proto__":[{}]}'],
    ['with names of methods', '"toString":{},"hasOwnProperty":{"then":{}},"toJSON":1'],
    ['with whitespace between its tokens', '"a" : [ 1 ,\n\t2 ] , "b":{ }'],
    ['with characters beyond the BMP', '"a":"😀","名前":"\u2028"'],
  ])('%s', async (_how, members) => {
    expect(await sent(parse(members))).toBe(`{${INPUT},${members}}`);
  });

  it('as an extract whose schema has properties named constructor and __proto__', async () => {
    const instructions =
      '"instructions":{"schema":{"properties":{"constructor":{"type":"string"},"__proto__":{"type":"object"}}}}';
    expect(await sent(`{"type":"extract",${INPUT},${instructions}}`)).toBe(
      `{${INPUT},${instructions}}`,
    );
  });

  it('as an edit, whose webhook and priority the gateway sets', async () => {
    const own =
      '"edit_options":{"b":1.0,"a":2},"edit_instructions":"sign","document_url":"https://x"';
    expect(await sent(`{"priority":true,${own},"type":"edit"}`)).toBe(`{${own}}`);
  });

  it('with the ids of earlier jobs replaced, and no other byte', async () => {
    upstream.answers.poll = { body: '{"status":"Completed","result":{"a":1}}' };
    const source = await submit(parse('"a":1'));
    const { upstreamId } = await eventually('the source to complete', async () => {
      const { rows } = await gateway.pool.query<{ upstreamId: string }>(
        `SELECT upstream_id AS "upstreamId" FROM jobs WHERE id = $1 AND status = 'completed'`,
        [source],
      );
      return rows[0];
    });
    const input = (id: string): string => `"input" : [ ${id} ,"https://x"]`;
    const rest = '"instructions":{"b":1.10,"a":"\\u006a"}';
    const body = `{"type":"extract",${input(`"\\u006aobid:\\/\\/${source.toUpperCase()}"`)},${rest}}`;
    expect(await sent(body)).toBe(`{${input(`"jobid://${upstreamId}"`)},${rest}}`);
  });
});

describe('metadata is returned unchanged', () => {
  const METADATA =
    '{ "b": 9007199254740993, "a": 1.10, "2024": 1e400,\n"2023":"\\u0000\\ud83d\\/", "__proto__": {"constructor": {}}, "b":2 }';

  it('by the submit, every read, and the cancel', async () => {
    const { status, text } = await call('POST', '/v1/jobs', parse(`"metadata":${METADATA}`));
    expect(status).toBe(202);
    const { id } = JSON.parse(text);
    const answers = [
      text,
      (await call('GET', `/v1/jobs/${id}`)).text,
      (await call('GET', `/v1/jobs/${id}?wait=0`)).text,
      (await call('GET', '/v1/jobs?limit=1')).text,
      (await call('POST', `/v1/jobs/${id}/cancel`)).text,
    ];
    for (const answer of answers) expect(answer).toContain(`"metadata":${METADATA}`);
  });

  it('as JSON with its content type', async () => {
    const id = await submit(parse('"metadata":{}'));
    const { headers } = await gateway.call('GET', `/v1/jobs/${id}`);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });
});

it('does not load the requests of the jobs that it lists', async () => {
  const id = await submit(parse(`"text":"${'x'.repeat(1_000_000)}"`));
  const [job] = await gateway.app.get(JobQueries, { strict: false }).listJobs('invoices', {}, 1);
  expect([job?.id, job?.request]).toEqual([id, undefined]);
});

describe('an idempotency key', () => {
  let keys = 0;
  const twice = async (first: string, second: string): Promise<number> => {
    const headers = { 'idempotency-key': `key-${(keys += 1)}` };
    const id = await submit(first, headers);
    const { status, text } = await call('POST', '/v1/jobs', second, headers);
    if (status === 202) expect(JSON.parse(text).id).toBe(id);
    else expect(JSON.parse(text).code).toBe('idempotency_key_reused');
    return status;
  };

  it('treats requests that differ only in whitespace between tokens as equal', async () => {
    const spaced = ` { "type" : "parse",\n${INPUT} , "a" : [ 1 , " x " ] }\n`;
    expect(await twice(parse('"a":[1," x "]'), spaced)).toBe(202);
  });

  it.each([
    ['a digit beyond 2^53', '"a":9007199254740993', '"a":9007199254740992'],
    ['the order of names', '"a":1,"b":2', '"b":2,"a":1'],
    ['the digits of a number', '"a":1.0', '"a":1'],
    ['an escape', '"a":"A"', '"a":"\\u0041"'],
    ['whitespace in a string', '"a":"x y"', '"a":"x  y"'],
    ['metadata', '"metadata":{"a":1}', '"metadata":{"a":2}'],
  ])('refuses another request that differs in %s', async (_what, first, second) => {
    expect(await twice(parse(first), parse(second))).toBe(422);
  });
});

describe('values that PostgreSQL cannot store are rejected with their path', () => {
  it.each([
    ['input', '{"type":"parse","input":"jobid://\\u0000"}'],
    ['input.1', '{"type":"parse","input":["https://x","jobid://\\ud83d"]}'],
    ['constructor.__proto__.0', parse('"constructor":{"__proto__":["\\u0000jobid://x"]}')],
    ['priority', parse('"priority":false,"priority":true')],
    ['metadata', parse('"metadata":{},"m\\u0065tadata":{}')],
  ])('at %s', async (path, body) => {
    const { status, text } = await call('POST', '/v1/jobs', body);
    expect([status, JSON.parse(text).errors[0].path]).toEqual([422, path]);
  });
});

describe('unusual names and characters cause no internal error', () => {
  const VALUES = ['"\\u0000"', '"\\ud83d"', '{"a":{}}', '[{}]', 'null', '1e400', '-0', '""'];
  const NAMES = ['constructor', '__proto__', 'prototype', 'toString', 'hasOwnProperty', 'then'];
  const answersOf = async (bodies: string[], path: string, key: string): Promise<number[]> => {
    const headers = { authorization: `Bearer ${key}` };
    const answers = [];
    for (const body of bodies) answers.push((await call('POST', path, body, headers)).status);
    return answers.filter((status) => status >= 500);
  };

  it.each(['type', 'input', 'metadata', 'priority', 'instructions', 'split_description'])(
    'as the value of %s',
    async (field) => {
      const bodies = ['parse', 'extract', 'split'].flatMap((type) =>
        VALUES.map((value) => `{"type":"${type}",${INPUT},"${field}":${value}}`),
      );
      expect(await answersOf(bodies, '/v1/jobs', gateway.key)).toEqual([]);
    },
  );

  it('as a name at each place of a request', async () => {
    const bodies = NAMES.flatMap((name) =>
      VALUES.flatMap((value) => [
        parse(`"${name}":${value}`),
        parse(`"metadata":{"${name}":${value}}`),
        `{"type":"split",${INPUT},"split_description":[{"name":"a","description":"b","${name}":${value}}]}`,
        `{"type":"parse","input":{"file_id":"reducto://x","${name}":${value}}}`,
        `{"type":"${name}",${INPUT}}`,
        `{"${name}":${value}}`,
      ]),
    );
    expect(await answersOf(bodies, '/v1/jobs', gateway.key)).toEqual([]);
  });

  it('in what an admin sends', async () => {
    const bodies = [...NAMES, 'service', 'scopes'].flatMap((name) =>
      VALUES.map((value) => `{"service":"x","scopes":["jobs"],"${name}":${value}}`),
    );
    expect(await answersOf(bodies, '/v1/admin/keys', adminKey)).toEqual([]);
    for (const field of ['ids', 'cause', 'from', 'job', 'address', 'upTo']) {
      bodies.push(...VALUES.map((value) => `{"${field}":${value}}`));
    }
    expect(await answersOf(bodies, '/v1/admin/refusals/recheck', adminKey)).toEqual([]);
    expect(await answersOf(bodies, '/v1/admin/refusals/accept', adminKey)).toEqual([]);
  });

  it('in a path or a query', async () => {
    const asked = ['%00', '%ED%A0%BD', '__proto__', 'constructor', '%F0%9F%98'];
    const paths = asked.flatMap((text) => [
      `/v1/jobs/${text}`,
      `/v1/jobs/${text}/result`,
      `/v1/jobs?cursor=${text}`,
      `/v1/jobs?${text}=1`,
      `/v1/jobs?type=${text}`,
      `/v1/admin/refusals?cursor=${text}`,
      ...['job', 'address', 'cause', 'from', 'to', 'outcome', 'upstreamId'].map(
        (name) => `/v1/admin/refusals?${name}=${text}`,
      ),
      `/v1/admin/refusals/export?${text}=1&job=${text}`,
      `/v1/admin/refusals/summary?address=${text}`,
      `/v1/admin/actions?cursor=${text}`,
      `/v1/admin/refusals?${text}=1`,
      `/v1/admin/refusals/${text}`,
    ]);
    const failed = [];
    for (const path of paths) {
      const headers = { authorization: `Bearer ${adminKey}` };
      const { status } = await call('GET', path, undefined, headers);
      if (status >= 500) failed.push(path);
    }
    expect(failed).toEqual([]);
  });
});
