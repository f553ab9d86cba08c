import { expect, test } from 'vitest';
import { problemOfHeaders } from '../../src/deliveries/sending/custom-headers.js';

test.each<[string, Record<string, string>]>([
  ['no header', {}],
  ['credentials', { Authorization: 'Basic dXNlcjpwYXNz' }],
  ['a value with spaces inside', { 'X-Team': 'accounts payable' }],
  ['a name that belongs to every object', { constructor: 'x', toString: 'x' }],
])('an endpoint may have %s', (_case, headers) => {
  expect(problemOfHeaders(headers)).toBeUndefined();
});

test.each<[string, Record<string, unknown>]>([
  ['a carriage return', { 'x-a': 'b\r\nx-b: c' }],
  ['a line feed', { 'x-a': 'b\nc' }],
  ['a tab', { 'x-a': 'b\tc' }],
  ['NUL', { 'x-a': 'b\u0000' }],
  ['text outside of ASCII', { 'x-a': 'bü' }],
  ['a space at the end', { 'x-a': 'b ' }],
  ['an empty value', { 'x-a': '' }],
  ['a number as value', { 'x-a': 1 }],
  ['a long value', { 'x-a': 'a'.repeat(4001) }],
  ['an empty name', { '': 'b' }],
  ['a name with a space', { 'x a': 'b' }],
  ['a name with a line break', { 'x-a\r\nx-b': 'b' }],
  ['one name in two cases', { 'X-A': 'a', 'x-a': 'b' }],
  ['Host', { HOST: 'elsewhere.example' }],
  ['Content-Length', { 'content-length': '0' }],
  ['Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }],
  ['Content-Type', { 'content-type': 'text/plain' }],
  ['Connection', { connection: 'close' }],
  ['Expect', { expect: '100-continue' }],
  ['Webhook-Signature', { 'Webhook-Signature': 'v1,x' }],
  ['Svix-Id', { 'svix-id': 'x' }],
  ['21 headers', Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`x-${n}`, 'a']))],
  [
    '8 KB of headers',
    Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`x-${n}`, 'a'.repeat(1900)])),
  ],
])('an endpoint may not have %s', (_case, headers) => {
  expect(problemOfHeaders(headers)).toBeDefined();
});
