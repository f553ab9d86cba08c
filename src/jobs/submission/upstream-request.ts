import type { SettingValues } from '../../platform/config/setting-table.js';
import { appendMembers } from '../../platform/json/json-text.js';
import type { Job } from '../job.entity.js';

/** Where Reducto is to send the callback, as the settings say. */
export interface CallbackTarget {
  readonly mode: SettingValues['WEBHOOK_MODE'];
  readonly url: string | undefined;
  readonly channels: readonly string[];
}

/** What the gateway itself puts into the metadata: all that Reducto learns about the job's origin. */
export interface CallbackMetadata {
  readonly gateway_job_id: string;
  readonly token?: string;
}

/**
 * The JSON text that goes to Reducto: the service's members as they were written, then the gateway's in the shape
 * that the endpoint expects. Edit has an older shape than the rest: `priority` and `webhook`, which
 * holds the metadata, stand at the top.
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
