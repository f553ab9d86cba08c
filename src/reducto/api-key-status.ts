import { Injectable, Logger } from '@nestjs/common';

/** Statuses that are about the key or the account, whatever the request. */
const REFUSALS: readonly (number | undefined)[] = [401, 402];

export function isKeyRefusal(status: number | undefined): boolean {
  return REFUSALS.includes(status);
}

/** Whether Reducto accepts the API key, as its last answer to this process shows: keys expire. */
@Injectable()
export class ApiKeyStatus {
  private readonly logger = new Logger(ApiKeyStatus.name);
  private status: number | undefined;

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
