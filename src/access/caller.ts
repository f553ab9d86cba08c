import type { Scope } from './api-key.entity.js';

/** Who is calling: what the API needs to know of a valid key. */
export interface Caller {
  readonly keyId: string;
  readonly service: string;
  readonly scopes: readonly Scope[];
}
