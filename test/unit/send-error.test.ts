import { expect, test } from 'vitest';
import { sendErrorOf } from '../../src/deliveries/sending/send-error.js';

const withCode = (code: string): Error => Object.assign(new Error('planted'), { code });

test.each([
  ['ENOTFOUND', 'dns_failure'],
  ['EAI_AGAIN', 'dns_failure'],
  ['EAI_FAIL', 'dns_failure'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_closed'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['CERT_HAS_EXPIRED', 'tls_expired'],
  ['CERT_NOT_YET_VALID', 'tls_expired'],
  ['CERT_REVOKED', 'tls_untrusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_untrusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_untrusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_untrusted'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_wrong_host'],
  ['EPROTO', 'tls_failure'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls_failure'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls_failure'],
  ['UND_ERR_HEADERS_OVERFLOW', 'invalid_response'],
  ['UND_ERR_INVALID_ARG', 'invalid_request'],
  ['UND_ERR_DESTROYED', 'shutdown'],
  ['ANYTHING_ELSE', 'unknown'],
])('an error with the code %s is %s', (code, expected) => {
  expect(sendErrorOf(withCode(code)).code).toBe(expected);
});

test('the cause of an error counts if the error itself has no known code', () => {
  const error = new Error('failed', { cause: withCode('ECONNREFUSED') });
  expect(sendErrorOf(error).code).toBe('connection_refused');
});

test('the first error of several addresses counts', () => {
  const error = new AggregateError([withCode('ECONNREFUSED'), withCode('ETIMEDOUT')]);
  expect(sendErrorOf(error).code).toBe('connection_refused');
});

test.each([undefined, null, 'text', 7, {}])('a thrown %j is unknown', (thrown) => {
  expect(sendErrorOf(thrown).code).toBe('unknown');
});

test('the message says nothing of the original one', () => {
  expect(sendErrorOf(withCode('ECONNRESET')).message).not.toContain('planted');
});

test('a cycle of causes ends', () => {
  const error = new Error('a');
  error.cause = error;
  expect(sendErrorOf(error).code).toBe('unknown');
});
