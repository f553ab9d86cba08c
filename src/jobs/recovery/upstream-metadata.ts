import { isRecord } from '../../platform/json/is-record.js';
import type { CallbackTokenService } from '../callback-token.service.js';

/** Between the names and values of one object, whatever quotes and escapes them. */
const SEPARATOR = String.raw`[\s'":=\\,]{1,32}`;
const ID = `gateway_job_id${SEPARATOR}([0-9a-f-]{36})`;
const TOKEN = String.raw`token${SEPARATOR}(v\d{1,9}\.[\w-]{43})`;
const METADATA = new RegExp(`${ID}${SEPARATOR}${TOKEN}|${TOKEN}${SEPARATOR}${ID}`, 'gi');

/**
 * The ids of the gateway's jobs that made a request, given as Reducto remembers it: text in a form that is not
 * documented. A service can write an id into any field of its own, so an id counts only together with its token.
 */
export function jobIdsOf(rawConfig: string, tokens: CallbackTokenService): string[] {
  if (!tokens.areInUse) return idsWithoutToken(rawConfig);
  return Array.from(rawConfig.matchAll(METADATA), ([, id, token, tokenBefore, idBehind]) => ({
    id: (id ?? idBehind ?? '').toLowerCase(),
    token: token ?? tokenBefore ?? '',
  }))
    .filter(({ id, token }) => tokens.verifyToken(id, token) !== undefined)
    .map(({ id }) => id);
}

/** Without keys only the members count that the gateway sets itself and that it refuses in requests. */
function idsWithoutToken(rawConfig: string): string[] {
  if (!rawConfig.includes('gateway_job_id')) return [];
  const request = parsed(rawConfig);
  if (!isRecord(request)) return [];
  return ['async', 'webhook'].flatMap((name) => {
    const member = request[name];
    const metadata = isRecord(member) ? member['metadata'] : undefined;
    const id = isRecord(metadata) ? metadata['gateway_job_id'] : undefined;
    return typeof id === 'string' ? [id.toLowerCase()] : [];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
