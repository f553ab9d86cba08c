import type { SettingValues } from '../../platform/config/setting-table.js';
import { appendMembers } from '../../platform/json/json-edits.js';
import type { Job } from '../job.entity.js';

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

/**
 * Appends the gateway’s members to the service’s unchanged JSON text. Edit has an older shape, with `priority` and
 * `webhook` (which contains the metadata) at the top level.
 */
export function upstreamRequest(
  job: Pick<Job, 'type' | 'priority'>,
  request: string,
  metadata: CallbackMetadata,
  target: CallbackTarget,
): string {
  if (job.type === 'edit') {
    return appendMembers(request, {
      ...(job.priority ? { priority: 'true' } : {}),
      webhook: JSON.stringify({ ...editWebhook(target), metadata }),
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

function editWebhook(target: CallbackTarget): Record<string, unknown> {
  return webhook(target) ?? { mode: 'disabled' };
}
