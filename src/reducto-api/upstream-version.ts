import { Injectable } from '@nestjs/common';
import { ReductoClient } from '../reducto/reducto.client.js';

const REFRESH_MILLISECONDS = 600_000;
const RETRY_MILLISECONDS = 30_000;

/** The version of Reducto. Requests share a call, because they need no API key. */
@Injectable()
export class UpstreamVersion {
  private version: string | undefined;
  private validUntil = 0;
  private request: Promise<void> | undefined;

  constructor(private readonly reducto: ReductoClient) {}

  /** At most 10 minutes old; older while Reducto does not answer; `undefined` if it never did. */
  async read(): Promise<string | undefined> {
    if (performance.now() >= this.validUntil) {
      this.request ??= this.refresh().finally(() => (this.request = undefined));
      await this.request;
    }
    return this.version;
  }

  private async refresh(): Promise<void> {
    const version = await this.reducto.readVersion();
    this.version = version ?? this.version;
    this.validUntil =
      performance.now() + (version === undefined ? RETRY_MILLISECONDS : REFRESH_MILLISECONDS);
  }
}
