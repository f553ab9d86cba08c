import { lookup } from 'node:dns/promises';
import { isPrivateAddress, isPrivateHost } from '../platform/config/private-host.js';
import type { Settings } from '../platform/config/settings.js';
import { isRecord } from '../platform/json/is-record.js';
import { newProbe, PROBE_HEADER } from '../webhooks/callback-probe.js';
import { fail, ok, warn, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';

const CHECK = 'callback address';
const ADVICE =
  'check the DNS, the firewall, and the proxy; the address must lead to a gateway with the role webhooks';

/** Checks from this machine that the callback address leads to this gateway. From outside, the DNS may differ. */
export async function checkCallbackAddress(
  settings: Settings,
  signal: AbortSignal,
): Promise<Finding[]> {
  const url = settings.callbackUrl;
  if (settings.WEBHOOK_MODE === 'none') {
    return [ok(CHECK, 'WEBHOOK_MODE is none: the gateway requests no callbacks')];
  }
  if (url === undefined) {
    if (!settings.has('worker')) return [];
    if (settings.NODE_ENV !== 'production' && settings.REDUCTO_API_KEY === undefined)
      return [ok(CHECK, 'PUBLIC_URL is not set: the sandbox calls the gateway on this machine')];
    return [warn(CHECK, 'PUBLIC_URL is not set: Reducto cannot call back', 'set PUBLIC_URL')];
  }
  const [key] = settings.TOKEN_KEYS ?? [];
  if (key === undefined)
    return [
      warn(CHECK, 'not checked, because TOKEN_KEYS is not set', 'set it as the gateway has it'),
    ];
  const reachable = await checkReachable(settings, new URL(url).hostname);
  const probe = newProbe(key);
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'reducto-gateway-doctor',
        [PROBE_HEADER]: probe.ask,
      },
      body: JSON.stringify({ status: 'Doctor', job_id: 'gateway-doctor' }),
      signal,
    });
    const text = await response.text();
    const own = response.headers.get(PROBE_HEADER) === probe.answer;
    return [...reachable, judge(settings, url, response.status, own, parsed(text))];
  } catch (error) {
    return [...reachable, fail(CHECK, `${url} cannot be reached: ${reasonOf(error)}`, ADVICE)];
  }
}

function judge(
  settings: Settings,
  url: string,
  status: number,
  own: boolean,
  body: Record<string, unknown>,
): Finding {
  if (own && status === 200) return judgeAddress(settings, url, String(body['clientAddress']));
  const { code } = body;
  if (typeof code === 'string' && code.startsWith('callback_refused')) {
    const message = `${url} leads to a gateway that has other TOKEN_KEYS or an older version`;
    return fail(CHECK, message, 'give all gateways the same TOKEN_KEYS, or correct PUBLIC_URL');
  }
  if (status === 404 && code === 'not_found') {
    const message = `${url} leads to a gateway without the role webhooks`;
    return fail(CHECK, message, 'route /webhooks to a gateway that has webhooks in ROLES');
  }
  if (status >= 300 && status < 400) {
    const message = `${url} answers with a redirect, which callbacks do not follow`;
    return fail(CHECK, message, 'set PUBLIC_URL to the target of the redirect');
  }
  const message = `${url} answers ${status}, and the answer is not from this gateway`;
  return fail(CHECK, message, ADVICE);
}

/** Behind a proxy that TRUSTED_PROXIES does not name, all callbacks appear to come from the proxy. */
function judgeAddress(settings: Settings, url: string, address: string): Finding {
  const found = `${url} leads to this gateway; the request came from ${address}`;
  const { hostname } = new URL(url);
  if (isPrivateHost(hostname) || !isPrivateAddress(address)) return ok(CHECK, found);
  const fix =
    'if that is your proxy, add it to TRUSTED_PROXIES; otherwise all callbacks appear to come from it';
  return warn(CHECK, found, fix);
}

/** A Reducto on the internet cannot call a private address. */
async function checkReachable(settings: Settings, hostname: string): Promise<Finding[]> {
  if (isPrivateHost(settings.REDUCTO_BASE_URL.hostname)) return [];
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = await lookup(host, { all: true }).catch(() => []);
  if (addresses.length === 0 || !addresses.every(({ address }) => isPrivateAddress(address))) {
    return [];
  }
  const message = `PUBLIC_URL leads to ${addresses[0]?.address}, which is not reachable from the internet`;
  const fix =
    'if the public DNS gives the same address, set PUBLIC_URL to a public one, or WEBHOOK_MODE=none';
  return [warn('public address', message, fix)];
}

function parsed(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return isRecord(body) ? body : {};
  } catch {
    return {};
  }
}
