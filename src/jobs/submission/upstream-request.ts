import type { SettingValues } from '../../platform/config/setting-table.js';
import { appendMembers } from '../../platform/json/json-edits.js';
import { readMembersFairly } from '../../platform/json/json-members.js';
import type { Job } from '../job.entity.js';
import type { JobType } from '../job-type.js';

/** Where Reducto sends callbacks. */
export interface CallbackTarget {
  readonly mode: SettingValues['WEBHOOK_MODE'];
  readonly url: string | undefined;
  readonly channels: readonly string[];
}

/** Metadata of the gateway, which Reducto echoes in callbacks. */
export interface CallbackMetadata {
  readonly gateway_job_id: string;
  readonly token?: string;
}

/** The older shape of a request has `priority` and `webhook`, which contains the metadata, at the top level. */
export type RequestShape = 'v3' | 'legacy';

/** The shape that Reducto reads in `request`: an edit has only the older one; others have it without `input`. */
export async function shapeOf(type: JobType, request: string): Promise<RequestShape> {
  if (type === 'edit') return 'legacy';
  const members = await readMembersFairly(request);
  return members.some(({ name }) => name === 'document_url') ? 'legacy' : 'v3';
}

/** Whether `shapeOf` is known without reading the request: its member may be written with escapes. */
export function isSurelyV3(type: JobType, request: string): boolean {
  return type !== 'edit' && !request.includes('document_url') && !request.includes('\\u00');
}

/** Appends the gateway’s members to the service’s unchanged JSON text. */
export function upstreamRequest(
  job: Pick<Job, 'priority'>,
  request: string,
  shape: RequestShape,
  metadata: CallbackMetadata,
  target: CallbackTarget,
): string {
  if (shape === 'legacy') {
    return appendMembers(request, {
      ...(job.priority ? { priority: 'true' } : {}),
      webhook: JSON.stringify({ ...legacyWebhook(target), metadata }),
    });
  }
  const priority = job.priority ? { priority: true } : {};
  return appendMembers(request, {
    async: JSON.stringify({ metadata, ...priority, webhook: webhook(target) }),
  });
}

function webhook({ mode, url, channels }: CallbackTarget): Record<string, unknown> | null {
  switch (mode) {
    case 'direct':
      return { mode, url };
    case 'svix':
      return channels.length > 0 ? { mode, channels } : { mode };
    case 'none':
      return null;
  }
}

function legacyWebhook(target: CallbackTarget): Record<string, unknown> {
  return webhook(target) ?? { mode: 'disabled' };
}
