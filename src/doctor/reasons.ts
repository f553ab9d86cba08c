/** The reason why a connection failed, without addresses that may hold a secret. */
export function reasonOf(thrown: unknown): string {
  const codes: string[] = [];
  let message = '';
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (typeof code === 'string') codes.push(code);
    message = cause.message;
    if (cause instanceof AggregateError && cause.cause === undefined) {
      const [first] = cause.errors as unknown[];
      return reasonOf(first);
    }
    if (/^(TimeoutError|AbortError)$/.test(cause.name)) return 'no answer came in time';
  }
  const known = codes.map((code) => REASONS[code]).find((reason) => reason !== undefined);
  return known ?? (message === '' ? 'it failed' : message);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the DNS does not know its name',
  EAI_AGAIN: 'the DNS did not answer',
  EHOSTUNREACH: 'there is no route to its host',
  ENETUNREACH: 'there is no route to its network',
  ETIMEDOUT: 'no answer came in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer came in time',
  UND_ERR_SOCKET: 'the connection was reset',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: 'it does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  '28P01': 'it refuses the password',
  '28000': 'it refuses the user or the authentication method',
  '3D000': 'there is no database of that name',
  '42501': 'the user lacks a privilege',
  '53300': 'it has no connection left',
  '57P03': 'it is starting up or shutting down',
};
