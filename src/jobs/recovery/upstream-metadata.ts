import { isRecord } from '../../platform/json/is-record.js';
import type { CallbackTokenService } from '../callback-token.service.js';

/** Separates names and values in any quoting and escaping. */
const SEPARATOR = String.raw`[\s'":=\\,]{1,32}`;
const ID = `gateway_job_id${SEPARATOR}([0-9a-f-]{36})`;
const TOKEN = String.raw`token${SEPARATOR}(v\d{1,9}\.[\w-]{43})`;
const IDS = new RegExp(ID, 'gi');
const METADATA = new RegExp(`${ID}${SEPARATOR}${TOKEN}|${TOKEN}${SEPARATOR}${ID}`, 'gi');

/**
 * Finds the gateway’s job ids in Reducto’s copy of a request, whose text format is not documented. A service can write
 * an id into its own fields, so an id counts only next to its valid token.
 */
export function jobIdsOf(rawConfig: string, tokens: CallbackTokenService): string[] {
  if (!tokens.isEnabled) return idsWithoutToken(rawConfig);
  return Array.from(rawConfig.matchAll(METADATA), ([, id, token, tokenFirst, idLast]) => ({
    id: (id ?? idLast ?? '').toLowerCase(),
    token: token ?? tokenFirst ?? '',
  }))
    .filter(({ id, token }) => tokens.verifyToken(id, token) !== undefined)
    .map(({ id }) => id);
}

/**
 * Whether a request without a valid gateway id is shown as it was: not cut, and without one of `ids`, whose token was
 * then changed.
 */
export function isWholeRequest(rawConfig: string | null, ids: ReadonlySet<string>): boolean {
  if (rawConfig === null) return false;
  for (const [, id = ''] of rawConfig.matchAll(IDS)) if (ids.has(id.toLowerCase())) return false;
  return isRecord(parsed(rawConfig));
}

/** Without keys, reads only members that services cannot set. */
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
