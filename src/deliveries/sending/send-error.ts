import { DataKeyError } from '../../platform/crypto/data-cipher.js';
import { AddressRefusedError } from './endpoint-url.js';

/** Why an attempt brought no complete answer. Codes are stable; docs/events.md lists them. */
export const SEND_ERRORS = {
  address_refused: 'the gateway does not send events to this address',
  connection_closed: 'the receiver closed the connection before its answer was complete',
  connection_refused: 'the receiver refused the connection',
  connection_reset: 'the receiver reset the connection',
  dns_failure: 'the host name cannot be resolved',
  invalid_request: 'the request cannot be sent: the URL or a header of the endpoint is not valid',
  invalid_response: 'the receiver did not answer with valid HTTP',
  secret_unreadable:
    'the gateway lacks the key of the endpoint’s secret or headers; its operator must check DATA_KEYS',
  shutdown: 'the gateway shut down during the attempt',
  timeout: 'the receiver did not answer in time',
  tls_expired: 'the certificate of the receiver has expired or is not valid yet',
  tls_failure: 'the TLS handshake with the receiver failed',
  tls_untrusted:
    'the certificate of the receiver is not signed by a trusted authority; DELIVERY_CA_FILE adds one',
  tls_wrong_host: 'the certificate of the receiver is for another host name',
  unreachable: 'there is no route to the receiver',
  url_deleted: 'the URL of the webhook was deleted with its job',
  unknown: 'the attempt failed',
} as const;

export type SendErrorCode = keyof typeof SEND_ERRORS;

export interface SendError {
  readonly code: SendErrorCode;
  /** For people, without addresses and secrets of the request. */
  readonly message: string;
}

const CODES: readonly (readonly [RegExp, SendErrorCode])[] = [
  [/^(ENOTFOUND|EAI_.*|ENODATA|ESERVFAIL|EBADNAME|ERR_INVALID_IP_ADDRESS)$/, 'dns_failure'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED)$/, 'connection_reset'],
  [/^UND_ERR_SOCKET$/, 'connection_closed'],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, 'timeout'],
  [/^(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EACCES|EINVAL)$/, 'unreachable'],
  [/^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/, 'tls_expired'],
  [/^ERR_TLS_CERT_ALTNAME/, 'tls_wrong_host'],
  [
    /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_)/,
    'tls_untrusted',
  ],
  [/^(EPROTO|ERR_SSL_|ERR_TLS_)/, 'tls_failure'],
  [/^UND_ERR_(HEADERS_OVERFLOW|RES_CONTENT_LENGTH_MISMATCH|NOT_SUPPORTED)$/, 'invalid_response'],
  // undici asserts that a status is one, and that an upgrade was asked for.
  [/^ERR_ASSERTION$/, 'invalid_response'],
  [
    /^(UND_ERR_INVALID_ARG|UND_ERR_REQ_|ERR_INVALID_|ERR_HTTP_INVALID_|ERR_UNESCAPED_)/,
    'invalid_request',
  ],
  [/^UND_ERR_(DESTROYED|CLOSED)$/, 'shutdown'],
];

/** What the receiver, or the network, did. Searches the causes of `thrown`. */
export function sendErrorOf(thrown: unknown): SendError {
  for (let cause = thrown, depth = 0; cause instanceof Error && depth < 5; depth++) {
    if (cause instanceof AddressRefusedError) {
      return { code: 'address_refused', message: cause.message };
    }
    if (cause instanceof DataKeyError) return errorWith('secret_unreadable');
    const code = codeOf(cause);
    if (code !== undefined) return errorWith(code);
    cause = cause instanceof AggregateError ? (cause.errors as unknown[])[0] : cause.cause;
  }
  return errorWith('unknown');
}

function errorWith(code: SendErrorCode): SendError {
  return { code, message: SEND_ERRORS[code] };
}

function codeOf(error: NodeJS.ErrnoException): SendErrorCode | undefined {
  if (error.name === 'TimeoutError') return 'timeout';
  // undici gives these no code of their own.
  if (error.name === 'HTTPParserError' || /^bad (upgrade|response)$/.test(error.message))
    return 'invalid_response';
  const { code } = error;
  return typeof code === 'string' ? CODES.find(([known]) => known.test(code))?.[1] : undefined;
}
