import { Injectable, Logger } from '@nestjs/common';

/** Statuses that are about the key or the account, whatever the request. */
const REFUSALS: readonly (number | undefined)[] = [401, 402];

export function isKeyRefusal(status: number | undefined): boolean {
  return REFUSALS.includes(status);
}

/** Time within which the listing must be read again after a submit that Reducto accepted. */
const DOUBT_MILLISECONDS = 10_000;

/**
 * Whether Reducto accepts the API key, as its last answer to this process shows: keys expire. The key may also be forbidden
 * to list jobs, and to do nothing else: then Reducto refuses the listing right after it has accepted a submit.
 */
@Injectable()
export class ApiKeyStatus {
  private readonly logger = new Logger(ApiKeyStatus.name);
  private status: number | undefined;
  private listing: 'readable' | 'refused' | 'forbidden' = 'readable';
  private doubtedAt = -Infinity;

  /** The status of the refusal; `undefined` if Reducto accepts the key. */
  get refusedWith(): number | undefined {
    return this.status;
  }

  /** Call with the status of each answer. A 403 may be about a document. */
  recordAnswer(status: number): void {
    if (isKeyRefusal(status)) this.recordRefusal(status);
    else if (status >= 200 && status < 300 && this.status !== undefined) {
      this.status = undefined;
      this.logger.log({ msg: 'Reducto accepts the API key again' });
    }
  }

  /** Whether the key may do everything but list jobs. */
  get mayNotList(): boolean {
    return this.listing === 'forbidden';
  }

  /** Call with each answer to a listing that is a page or a 403. */
  recordListing(outcome: 'readable' | 'refused'): void {
    if (outcome === 'readable') {
      this.listing = 'readable';
      this.doubtedAt = -Infinity;
    } else if (this.listing === 'readable') {
      this.listing = 'refused';
    } else if (!this.mayNotList && performance.now() - this.doubtedAt < DOUBT_MILLISECONDS) {
      this.listing = 'forbidden';
      this.logger.warn({
        msg: 'Reducto accepts the API key but refuses it the listing of jobs',
        advice: 'Use a key that may list jobs: the gateway searches the listing for lost submits',
      });
    }
  }

  /** Call after a submit that Reducto accepted. True if the listing was refused before and is to be read again now. */
  doubtListing(): boolean {
    const now = performance.now();
    if (this.listing !== 'refused' || now - this.doubtedAt < DOUBT_MILLISECONDS) return false;
    this.doubtedAt = now;
    return true;
  }

  recordRefusal(status: number): void {
    if (this.status === undefined) {
      this.logger.error({
        msg: `Reducto refuses the API key (${status})`,
        advice:
          'Keys expire: set REDUCTO_API_KEY to a valid key, and restart all processes. Jobs wait meanwhile',
      });
    }
    this.status = status;
  }
}
