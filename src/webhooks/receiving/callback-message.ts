import { isUtf8 } from 'node:buffer';
import { isRecord } from '../../platform/json/is-record.js';
import { isUpstreamId } from '../../reducto/read-answers.js';
import { upstreamText } from '../../reducto/upstream-text.js';

/** The used fields of a callback: `{status, job_id, metadata}`. */
export interface CallbackMessage {
  /** Any text, recorded but not trusted. */
  readonly status: string;
  readonly upstreamId: string;
  /** From the metadata that the gateway sent with the job; absent if Reducto did not return them. */
  readonly gatewayJobId?: string;
  readonly token?: string;
}

/** The parsed JSON; `undefined` if `bytes` is not JSON. */
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

/** Reads a callback and ignores unknown fields; `undefined` if `body` is not a callback. */
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
