import { GatewayError, type FieldError } from '../platform/errors/error-codes.js';
import { isRecord } from '../platform/json/is-record.js';
import { isJobId } from '../jobs/job.entity.js';

export interface ListQuery {
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly withConfigs: boolean;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;
const TRUE = /^(1|true|on|yes|y|t)$/i;

/** Whether `DELETE /job` deletes persisted results as well. */
export function readIncludePersisted(query: unknown): boolean {
  const included = isRecord(query) ? query['include_persisted'] : undefined;
  return typeof included === 'string' && TRUE.test(included);
}

function wholeNumber(value: unknown): number {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : NaN;
}

/** Reads the query of `GET /jobs`. Like Reducto, it ignores other parameters. Throws `invalid_query`. */
export function readListQuery(query: unknown): ListQuery {
  const { limit, cursor, exclude_configs: excluded } = isRecord(query) ? query : {};
  const errors: FieldError[] = [];
  const count = limit === undefined ? DEFAULT_LIMIT : wholeNumber(limit);
  if (!Number.isInteger(count) || count < 1 || count > MAX_LIMIT) {
    errors.push({ path: 'limit', message: `must be a whole number from 1 to ${MAX_LIMIT}` });
  }
  const isCursor = typeof cursor === 'string' && isJobId(cursor);
  if (cursor !== undefined && cursor !== '' && !isCursor) {
    errors.push({ path: 'cursor', message: 'must be the next_cursor of a page' });
  }
  if (errors.length > 0) throw new GatewayError('invalid_query', undefined, { errors });
  return {
    limit: count,
    cursor: isCursor ? cursor : undefined,
    withConfigs: typeof excluded !== 'string' || !TRUE.test(excluded),
  };
}
