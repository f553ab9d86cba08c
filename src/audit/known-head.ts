import { Injectable } from '@nestjs/common';

/** An entry of the chain by its id and hash (hexadecimal). */
export interface Head {
  readonly id: string;
  readonly hash: string;
}

/**
 * The newest entry that this process has seen or written. The database cannot be put back to an earlier
 * state without this process noticing, because it remembers.
 */
@Injectable()
export class KnownHead {
  private head: Head | undefined;

  get current(): Head | undefined {
    return this.head;
  }

  remember(head: Head): void {
    if (this.head === undefined || BigInt(head.id) >= BigInt(this.head.id)) this.head = head;
  }

  /** After tampering was recorded: the chain continues from `head`, also where that is an earlier place. */
  replace(head: Head): void {
    this.head = head;
  }
}
