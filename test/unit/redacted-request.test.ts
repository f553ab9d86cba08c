import { describe, expect, it } from 'vitest';
import { printable, shownRequest } from '../../src/audit/redacted-request.js';
import { redact } from '../../src/platform/logging/redaction.js';

const shown = (body: string | Buffer, headers: Record<string, string> = {}) =>
  shownRequest({ method: 'POST', headers, body: Buffer.from(body) }, '/webhooks/reducto');

describe('a request as it is shown', () => {
  it.each([
    ['{"token":"abc"}', '{"token":"[redacted]"}'],
    ['{"a":{"api_key":"abc","b":1}}', '{"a":{"api_key":"[redacted]","b":1}}'],
    ['{"list":[{"password":"x"}]}', '{"list":[{"password":"[redacted]"}]}'],
    ['{"result":{"chunks":["secret plans"]}}', '{"result":"[redacted]"}'],
    ['{"status":"Completed","job_id":"u"}', '{"status":"Completed","job_id":"u"}'],
    ['token=abc&status=x', 'token=[redacted]&status=x'],
    ['{"secret": "abc', '{"secret": "[redacted]'],
    ['', ''],
  ])('blanks secrets and content: %s', (body, sample) => {
    expect(shown(body).bodySample).toBe(sample);
  });

  it('blanks headers whose value is a secret whatever it looks like', () => {
    const headers = {
      authorization: 'x',
      cookie: 'x',
      'svix-signature': 'x',
      'x-api-key': 'x',
      'user-agent': 'Svix-Webhooks/1',
    };
    expect(Object.values(shown('', headers).headers)).toEqual([
      '[redacted]',
      '[redacted]',
      '[redacted]',
      '[redacted]',
      'Svix-Webhooks/1',
    ]);
  });

  it('is never long, however long what came', () => {
    const headers = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`x-${n}`, 'v'.repeat(5000)]),
    );
    expect(JSON.stringify(shown('y'.repeat(65_536), headers)).length).toBeLessThan(20_000);
  });

  it('tells size and hash of the whole body', () => {
    expect(shown('abc')).toMatchObject({
      bodyBytes: 3,
      bodySha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });
});

it('puts untrusted text on one line that PostgreSQL and a terminal can take', () => {
  expect(printable('a\r\nb\u0000c\u001b[31md\u202ee', 100)).toBe(
    String.raw`a\u000d\u000ab\u0000c\u001b[31md\u202ee`,
  );
  expect(printable('\ud800x', 100)).toBe('\ufffdx');
  expect(printable('x'.repeat(50), 10)).toBe(`${'x'.repeat(10)}…`);
});

describe('the query string of the callback URL', () => {
  const path = (given: string): string =>
    shownRequest({ method: 'POST', headers: {}, body: Buffer.alloc(0) }, given).path;

  it.each(['?token=canary', '?canary', '#canary', ';sid=canary', '?a=1&canary=%20'])(
    'is not kept: %s',
    (query) => {
      expect(path(`/webhooks/reducto${query}`)).toBe(`/webhooks/reducto${query[0]}[redacted]`);
    },
  );

  it('leaves a path without one as it is', () => {
    expect(path('/webhooks/reducto')).toBe('/webhooks/reducto');
  });
});

const SECRET_NAMES = [
  'passphrase',
  'password',
  'passwd',
  'pwd',
  'userPwd',
  'pin',
  'PIN',
  'user_pin',
  'cardPin',
  'jwt',
  'x-jwt-assertion',
  'x-reducto-key',
  'apikey',
  'accessKeyId',
  'X-Amz-Signature',
  'sig',
  'clientSecret',
  'refresh_token',
  'csrf',
  'sid',
  'otp',
  'proxy-authorization',
  'set-cookie',
  'sessionId',
  'credential',
  'creds',
  'PHPSESSID',
  'userpin',
  'PINCODE',
  'pin2',
  'otp1',
  'totpcode',
  'mysig',
  `${'very_'.repeat(12)}long_password`,
];

describe.each(SECRET_NAMES)('a secret named %s', (name) => {
  it('does not survive as a header', () => {
    expect(shown('', { [name]: 'canary' }).headers).toEqual({ [name]: '[redacted]' });
  });

  it.each([
    ['a field of JSON', JSON.stringify({ [name]: 'canary' })],
    [
      'a nested field of JSON',
      JSON.stringify({ a: [{ b: { [name]: ['canary', { c: 'canary' }] } }] }),
    ],
    ['a named value of JSON', JSON.stringify([{ name, value: 'canary' }])],
    [
      'a named value of JSON whose name is its key',
      JSON.stringify([{ key: name, value: 'canary' }]),
    ],
    ['a list of names and values', JSON.stringify(['host', 'x', name, 'canary'])],
    ['JSON within JSON', JSON.stringify({ a: JSON.stringify({ [name]: 'canary' }) })],
    ['JSON that is cut off', `{"${name}": "correct canary`],
    ['JSON with an object that is cut off', `{"${name}": {"a": ["canary", "canary`],
    ['a form', `a=b&${name}=canary%26canary&c=d`],
    [
      'a form with JSON in it',
      `payload=${encodeURIComponent(JSON.stringify({ [name]: 'canary' }))}`,
    ],
    ['a form with a list', `${name}[]=canary`],
    [
      'a multipart form',
      `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\ncanary\r\n--x`,
    ],
    ['a line of text', `${name}: correct canary`],
    ['a table', `${name}\tcanary`],
    ['XML', `<a><${name}>correct canary</${name}></a>`],
    ['XML with an attribute', `<a ${name}='correct canary'/>`],
  ])('does not survive in %s', (_where, body) => {
    expect(JSON.stringify(shown(body))).not.toContain('canary');
  });
});

it.each(['status', 'job_id', 'gateway_job_id', 'design', 'opinion', 'spinner', 'host', 'shipping'])(
  'keeps the value of a field that holds no secret: %s',
  (name) => {
    expect(shown(JSON.stringify({ [name]: 'kept' })).bodySample).toContain('kept');
  },
);

it.each(['user-agent', 'svix-id', 'svix-timestamp', 'x-forwarded-for', 'content-type', 'via'])(
  'keeps the value of a header that holds no secret: %s',
  (name) => {
    expect(shown('', { [name]: 'kept/1.0 (a; b)' }).headers).toEqual({ [name]: 'kept/1.0 (a; b)' });
  },
);

describe.each([
  ['a header', (text: string) => shown('', { 'x-note': text })],
  ['JSON', (text: string) => shown(JSON.stringify({ note: text }))],
  ['the name of a field', (text: string) => shown(JSON.stringify({ [text]: 1 }))],
  ['text', (text: string) => shown(text)],
])('in %s', (_where, show) => {
  it.each([
    's3://bucket/a.pdf?X-Amz-Signature=canary',
    'gs://bucket/a.pdf?x=canary',
    'reducto://file?sig=canary',
    'https://user:canary@host/x',
    'https://canary@host/x',
    'ftp://user:canary/canary?canary@host/x',
    'https://host/x#access_token=canary',
    '//host/x?canary',
    '/webhooks/reducto?canary',
    'webhooks?canary',
    String.raw`https:\/\/host\/x?canary`,
    'Bearer canary.canary',
    'basic canarycanary',
    'eyJhbGciOiJIUzI1NiJ9canary.canary.canary',
  ])('does not keep the secret of %s', (text) => {
    expect(JSON.stringify(show(`see ${text}`))).not.toContain('canary');
  });

  it('does not keep the beginning of a secret at the cut', () => {
    for (let before = 250; before < 1700; before += 10) {
      const text = `${'a '.repeat(before / 2)}rgw_canary${'x'.repeat(40)} ${'b '.repeat(1000)}`;
      expect(JSON.stringify(show(text))).not.toContain('canary');
    }
  });
});

it.each([
  ['a JSON string', JSON.stringify({ note: 'the document says '.repeat(20) })],
  ['the second field of a JSON text that is cut off', `{"status":"x","content":"the document says`],
  ['a result of a JSON text that is cut off', `{"result":{"chunks":[{"content":"the document says`],
])('does not keep the content of a document in %s', (_where, body) => {
  expect(shown(body).bodySample).not.toContain('document says');
});

it('keeps at most 300 characters of a body that is no JSON', () => {
  expect(shown('the document says '.repeat(1000)).bodySample.length).toBeLessThanOrEqual(301);
});

/** The CPU milliseconds of the fastest of several runs. Elapsed time would depend on other processes. */
function fastest(run: () => void): number {
  return Math.min(
    ...Array.from({ length: 5 }, () => {
      const start = process.threadCpuUsage();
      run();
      const { user, system } = process.threadCpuUsage(start);
      return (user + system) / 1000;
    }),
  );
}

// Time is the subject. A pattern that needs quadratic time takes 64 times as long for 8 times the text.
const WORST = [
  ['a long word', 'x'],
  ['URLs without a query', 'http://'],
  ['schemes', 'a://'],
  ['slashes', '/'],
  ['escaped slashes', String.raw`\/`],
  ['user info without a host', '//a:'],
  ['colons', 'a:'],
  ['digits behind a colon', ':1'],
  ['at signs', '@'],
  ['question marks', '?'],
  ['beginnings of API keys', 'rgw_'],
  ['beginnings of API keys behind hyphens', '-rgw_'],
  ['beginnings of callback tokens', 'v1.'],
  ['versions', 'v123456789'],
  ['beginnings of Svix secrets', 'whsec_'],
  ['beginnings of JWTs', '-eyJ'],
  ['parts of JWTs', 'eyJ.'],
  ['bearers', 'bearer '],
  ['bearers without an end', 'bearer:='],
  ['quotes', '"'],
  ['names and quotes', 'token"'],
  ['names and equals signs', 'token='],
  ['names and opening brackets', 'token:{'],
  ['names and backslashes', String.raw`token:"\\`],
  ['elements', '<token>'],
  ['percent codes', '%41'],
  ['hyphens', '-'],
  ['escapes', String.raw`\n`],
  ['line breaks', '\n'],
] as const;

const of = (part: string, length: number): string =>
  part.repeat(Math.ceil(length / part.length)).slice(0, length);

it.each(WORST)('redacts %s in linear time', (_what, part) => {
  const [short, long] = [of(part, 65_536), of(part, 8 * 65_536)];
  redact(short);
  const [once, eightTimes] = [fastest(() => redact(short)), fastest(() => redact(long))];
  expect(eightTimes).toBeLessThan(Math.max(once, 4) * 20);
});

it.each(WORST)(
  'shows a request with a body of %s at the cost of its first characters',
  (_what, part) => {
    const body = of(part, 65_536);
    expect(fastest(() => shown(body, { 'x-note': body }))).toBeLessThan(20);
    expect(fastest(() => shown(JSON.stringify({ [body.slice(0, 30_000)]: body })))).toBeLessThan(
      20,
    );
  },
);

it.each([
  [
    'many fields',
    JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`a${i}`, 'b=c']))),
  ],
  ['many strings', `[${'["token=a"],'.repeat(5000)}1]`],
  ['deep arrays', '['.repeat(30_000) + ']'.repeat(30_000)],
])('shows JSON of 64 KB at the cost of its first values: %s', (_shape, body) => {
  expect(fastest(() => shown(body))).toBeLessThan(50);
});

describe.each([
  ['the parameters of a path', 'sqlserver://host;user=sa;pw=canary'],
  ['a query that was percent-encoded twice', 'https%253A%252F%252Fhost%252Fa%253Fcode%253Dcanary'],
])('a URL with a secret in %s', (_where, url) => {
  it.each([
    ['a field of JSON', JSON.stringify({ url })],
    ['a body that is no JSON', url],
  ])('does not keep it in %s', (_body, body) => {
    expect(shown(body).bodySample).not.toContain('canary');
  });
});
