import { Injectable } from '@nestjs/common';

/** An entry of the chain by its id and hash (hexadecimal). */
export interface Head {
  readonly id: string;
  readonly hash: string;
}

/** The newest entry of a chain, and the id of the anchor that the chain had. */
export interface KnownChain extends Head {
  readonly installation: string;
}

/**
 * The newest entry that this process has read or written. It shows whether the database was restored to an earlier
 * state.
 */
@Injectable()
export class KnownHead {
  private head: KnownChain | undefined;

  get current(): KnownChain | undefined {
    return this.head;
  }

  remember(head: KnownChain): void {
    if (this.head === undefined || BigInt(head.id) >= BigInt(this.head.id)) this.head = head;
  }

  /** After tampering was recorded, the chain continues from `head`, even from an earlier place. */
  replace(head: KnownChain): void {
    this.head = head;
  }
}
