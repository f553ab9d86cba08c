import Reducto from 'reductoai';
import type { TestGateway } from './gateway.js';

/** The official SDK without retries: through the gateway, and straight to its sandbox. */
export function sdksOf({ url, key, sandbox }: Pick<TestGateway, 'url' | 'key' | 'sandbox'>): {
  gateway: Reducto;
  straight: Reducto;
} {
  const maxRetries = 0;
  return {
    gateway: new Reducto({ apiKey: key, baseURL: `${url}/reducto`, maxRetries }),
    straight: new Reducto({ apiKey: sandbox.apiKey, baseURL: sandbox.url, maxRetries }),
  };
}

/** What a call did: its answer, or its error as the SDK shows it. */
export async function outcomeOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    return withoutChance(await call);
  } catch (error) {
    if (!(error instanceof Reducto.APIError)) throw error;
    return withoutChance({
      class: error.constructor.name,
      status: error.status,
      body: error.error,
    });
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Replaces ids, times, and links, which differ between two calls. */
export function withoutChance(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (name, part: unknown) => {
    if (
      ['duration', 'created_at', 'raw_config', 'url', 'document_url', 'progress'].includes(name)
    ) {
      return part === null ? part : typeof part;
    }
    return typeof part === 'string' ? part.replaceAll(UUID, 'id') : part;
  });
}
