import type { Scope } from './api-key.entity.js';

/** The owner of a valid key. */
export interface Caller {
  readonly keyId: string;
  readonly service: string;
  readonly scopes: readonly Scope[];
}
