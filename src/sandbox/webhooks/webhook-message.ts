import { randomUUID } from 'node:crypto';
import { WebhookFaults } from '../faults/faults.js';
import { Job } from '../jobs/job.js';
import { JsonObject } from '../json.js';
import { messageId } from './svix-signature.js';

export interface WebhookMessage {
  job: Job;
  /** Equal for copies and resends; only Svix sends it to the receiver. */
  id: string;
  /** The body that the signature covers. */
  signedBody: string;
  /** The body that is sent: the signed one, unless `reencode` is set. */
  sentBody: string;
}

const HUGE_METADATA_CHARS = 1_000_000;

/** The callbacks of an ended job: one by default, more with `sequence` or `copies`. */
export function messagesFor(job: Job): WebhookMessage[] {
  const faults = job.sim.webhook ?? {};
  const statuses = faults.sequence ?? [faults.status ?? job.status];
  return statuses.flatMap((status, index) =>
    Array.from({ length: faults.copies ?? 1 }, () => message(job, status, index, faults)),
  );
}

/** A flat object without result, reason, or event type, in both modes (fact sheet 5 and 6). */
function message(job: Job, status: string, index: number, faults: WebhookFaults): WebhookMessage {
  const body = {
    status,
    job_id: faults.jobId ?? job.id,
    ...metadataMember(job, faults),
    ...faults.extra,
  };
  const signedBody = JSON.stringify(body);
  return {
    job,
    id: messageId(`${job.id}/${index}`),
    signedBody,
    sentBody: faults.reencode ? JSON.stringify(body, null, 2) : signedBody,
  };
}

/** Without metadata in the submit, the member is null (INFERRED; it could be absent or {}). */
function metadataMember(job: Job, faults: WebhookFaults): JsonObject {
  if (faults.metadataValue !== undefined) return { metadata: faults.metadataValue };
  switch (faults.metadata) {
    case 'absent':
      return {};
    case 'null':
      return { metadata: null };
    case 'empty':
      return { metadata: {} };
    case 'wrong':
      return { metadata: { gateway_job_id: randomUUID(), token: 'v1.not-a-valid-token' } };
    case 'huge':
      return { metadata: { original: job.metadata, padding: 'x'.repeat(HUGE_METADATA_CHARS) } };
    case 'echo':
    case undefined:
    default:
      return { metadata: job.metadata ?? null };
  }
}
