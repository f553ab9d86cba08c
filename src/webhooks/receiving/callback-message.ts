import { isUtf8 } from 'node:buffer';
import { isRecord } from '../../platform/json/is-record.js';
import { isUpstreamId } from '../../reducto/read-answers.js';
import { upstreamText } from '../../reducto/upstream-text.js';

/** What a callback says: `{status, job_id, metadata}`, and nothing else of it is used. */
export interface CallbackMessage {
  /** Any text; only a hint. */
  readonly status: string;
  readonly upstreamId: string;
  /** From the metadata that the gateway gave the job; absent where they did not come back. */
  readonly gatewayJobId?: string;
  readonly token?: string;
}

/** The JSON of `bytes`, or `undefined` where it is none. */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

const MAX_STATUS = 64;
const PRINTABLE = /^[ -~]*$/;

/** Reads a callback. Fields that we do not know are ignored; `undefined` where it is no callback. */
export function readMessage(body: unknown): CallbackMessage | undefined {
  if (!isRecord(body)) return undefined;
  const { status, job_id: upstreamId, metadata } = body;
  if (typeof status !== 'string' || status.length > MAX_STATUS || !isUpstreamId(upstreamId))
    return undefined;
  const { gateway_job_id: id, token } = isRecord(metadata) ? metadata : {};
  return {
    status: PRINTABLE.test(status) ? status : upstreamText(status, MAX_STATUS),
    upstreamId,
    ...(typeof id === 'string' ? { gatewayJobId: id.toLowerCase() } : {}),
    ...(typeof token === 'string' ? { token } : {}),
  };
}
