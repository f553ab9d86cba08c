import type { SettingValues } from '../platform/config/setting-table.js';
import type { Job } from './job.entity.js';

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
 * The body that goes to Reducto: the service's own fields, and the gateway's part in the shape that
 * the endpoint expects. Edit has an older shape than the rest: `priority` and `webhook`, which
 * holds the metadata, stand at the top.
 */
export function upstreamRequest(
  job: Pick<Job, 'type' | 'priority'>,
  request: Record<string, unknown>,
  metadata: CallbackMetadata,
  target: CallbackTarget,
): Record<string, unknown> {
  if (job.type === 'edit') {
    return {
      ...request,
      ...(job.priority ? { priority: true } : {}),
      webhook: { ...editWebhook(target), metadata },
    };
  }
  return {
    ...request,
    async: { metadata, ...(job.priority ? { priority: true } : {}), webhook: webhook(target) },
  };
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
