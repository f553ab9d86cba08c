import type { Settings } from '../platform/config/settings.js';
import { probeReducto } from '../reducto/upstream-probe.js';
import { checkSkew, skewSeconds } from './clock.js';
import { fail, ok, warn, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';

/** The `Date` header has a resolution of one second and is older by the latency. */
const SKEW_SECONDS = 30;

/** Checks that Reducto is reachable and accepts the key. Submits nothing. */
export async function checkReducto(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  if (!settings.has('api') && !settings.has('worker')) return [];
  if (settings.REDUCTO_API_KEY === undefined) {
    return [
      ok('reducto', 'REDUCTO_API_KEY is not set: the gateway uses the sandbox instead of Reducto'),
    ];
  }
  const host = settings.REDUCTO_BASE_URL.host;
  const startedAt = Date.now();
  try {
    const { status, contentType, date, milliseconds } = await probeReducto(settings, signal);
    const found = [judge(host, status, contentType, milliseconds)];
    if (date !== undefined) {
      const skew = skewSeconds(date, startedAt, Date.now());
      found.push(checkSkew('reducto clock', 'Reducto', skew, SKEW_SECONDS));
    }
    return found;
  } catch (error) {
    const message = `Reducto (${host}) cannot be reached: ${reasonOf(error)}`;
    const fix = 'check REDUCTO_BASE_URL, the firewall, and, for a private CA, NODE_EXTRA_CA_CERTS';
    return [fail('reducto', message, fix)];
  }
}

function judge(
  host: string,
  status: number,
  contentType: string | undefined,
  milliseconds: number,
): Finding {
  const json = contentType?.includes('json') === true;
  if (status === 200 && json) {
    return ok('reducto', `${host} answers in ${Math.round(milliseconds)} ms and accepts the key`);
  }
  if (status === 401 || (status === 403 && json)) {
    return fail(
      'reducto',
      `${host} refuses REDUCTO_API_KEY (${status})`,
      'set REDUCTO_API_KEY to a valid key of that deployment, which may list jobs',
    );
  }
  if (json && [404, 405, 501].includes(status)) {
    const message = `${host} answers, but cannot list jobs, so the key was not checked`;
    return warn('reducto', message, 'upgrade the deployment, or submit a job to check the key');
  }
  if (status === 429 || status >= 500) {
    return warn(
      'reducto',
      `${host} answers ${status}: it is unavailable or overloaded`,
      'try again later',
    );
  }
  const answer = `${host} answers ${status}${json ? '' : ' without JSON'}`;
  return fail(
    'reducto',
    `${answer}: that is not Reducto’s API`,
    'check REDUCTO_BASE_URL and the proxies in between',
  );
}
