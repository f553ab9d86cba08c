import { createHmac, randomBytes } from 'node:crypto';

/** The secrets of a run. */
export class GatewayKeys {
  readonly tokenKey = randomBytes(32);
  readonly tokenKeys = `1:${this.tokenKey.toString('base64')}`;
  readonly adminKey = randomBytes(24).toString('hex');
  readonly byHandKey = randomBytes(24).toString('hex');

  /** What a genuine callback for `jobId` brings. */
  tokenOf(jobId: string): string {
    return `v1.${createHmac('sha256', this.tokenKey).update(jobId).digest('base64url')}`;
  }

  /** Makes an API key of `service`. */
  async createApiKey(url: string, service = 'bench'): Promise<string> {
    const response = await fetch(`${url}/v1/admin/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ service, scopes: ['jobs'] }),
    });
    const { key } = (await response.json()) as { key?: unknown };
    if (typeof key !== 'string') throw new Error(`no API key: status ${response.status}`);
    return key;
  }
}
