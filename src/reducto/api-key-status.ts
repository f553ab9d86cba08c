import { Injectable, Logger } from '@nestjs/common';

/** Whether Reducto accepts the API key, as its last answer to this process shows: keys expire. */
@Injectable()
export class ApiKeyStatus {
  private readonly logger = new Logger(ApiKeyStatus.name);
  private refused = false;

  get isRefused(): boolean {
    return this.refused;
  }

  /** Call with the status of each answer. Only 401 is about the key: a 403 may be about a document. */
  recordAnswer(status: number): void {
    if (status === 401 && !this.refused) {
      this.refused = true;
      this.logger.error({
        msg: 'Reducto refuses the API key (401)',
        advice: 'Keys expire: set REDUCTO_API_KEY to a valid key, and restart all processes',
      });
    } else if (status >= 200 && status < 300 && this.refused) {
      this.refused = false;
      this.logger.log({ msg: 'Reducto accepts the API key again' });
    }
  }
}
