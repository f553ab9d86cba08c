import { connect, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import type { Settings } from '../platform/config/settings.js';
import { fail, ok, warn, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';

const CHECK = 'certificate';
const SOON_DAYS = 21;
const DAY_MILLISECONDS = 86_400_000;

/** Checks that the certificate of PUBLIC_URL is valid and does not expire soon. */
export async function checkCertificate(
  settings: Settings,
  signal: AbortSignal,
): Promise<Finding[]> {
  const url = settings.PUBLIC_URL;
  if (url?.protocol !== 'https:' || settings.WEBHOOK_MODE === 'none') return [];
  let socket: TLSSocket;
  try {
    socket = await open(url, signal);
  } catch (error) {
    return [fail(CHECK, `no TLS connection to ${url.host}: ${reasonOf(error)}`, 'check the proxy')];
  }
  try {
    const { valid_to: until } = socket.getPeerCertificate();
    if (!socket.authorized) {
      const { authorizationError: error } = socket;
      const code =
        error instanceof Error
          ? error
          : Object.assign(new Error(String(error)), { code: String(error) });
      const message = `${url.host}: ${reasonOf(code)}`;
      return [
        fail(
          CHECK,
          message,
          'install a certificate that Reducto can verify, with its intermediate certificates',
        ),
      ];
    }
    const days = Math.floor((Date.parse(until) - Date.now()) / DAY_MILLISECONDS);
    const message = `the certificate of ${url.host} is valid for ${days} more days`;
    return [days < SOON_DAYS ? warn(CHECK, message, 'renew the certificate') : ok(CHECK, message)];
  } finally {
    socket.destroy();
  }
}

function open({ hostname, port }: URL, signal: AbortSignal): Promise<TLSSocket> {
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host,
        port: Number(port === '' ? 443 : port),
        // The check reads an invalid certificate to report its error.
        rejectUnauthorized: false,
        ...(isIP(host) === 0 ? { servername: host } : {}),
      },
      () => resolve(socket),
    );
    socket.once('error', reject);
    signal.addEventListener('abort', () =>
      socket.destroy(new DOMException('timeout', 'TimeoutError')),
    );
  });
}
