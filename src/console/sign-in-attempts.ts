import { isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Settings } from '../platform/config/settings.js';

const WINDOW_SECONDS = 300;
const ALL = 'all';
/** A flood from many addresses shall not keep admins out for longer than that. */
const WINDOW_OF_ALL_SECONDS = 60;
const ADDRESSES_TOGETHER = 10;

/** How many sign-ins may fail: per address, and all together. Kept per process. */
@Injectable()
export class SignInAttempts {
  private readonly perAddress: RateLimiterMemory;
  private readonly together: RateLimiterMemory;

  constructor({ CONSOLE_SIGN_IN_ATTEMPTS: points }: Settings) {
    this.perAddress = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
    this.together = new RateLimiterMemory({
      points: points * ADDRESSES_TOGETHER,
      duration: WINDOW_OF_ALL_SECONDS,
    });
  }

  /** Counts an attempt before it is made. Returns how long to wait where there were too many. */
  async begin(address: string): Promise<{ waitSeconds: number } | undefined> {
    try {
      await this.perAddress.consume(sender(address));
      await this.together.consume(ALL);
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof RateLimiterRes)) throw thrown;
      return { waitSeconds: Math.max(Math.ceil(thrown.msBeforeNext / 1000), 1) };
    }
  }

  /** It was a good one: it does not count, and neither do the failed ones before it. */
  async succeeded(address: string): Promise<void> {
    await this.perAddress.delete(sender(address));
    await this.together.reward(ALL);
  }
}

/** One customer has a whole /64 of IPv6. */
export function sender(address: string): string {
  if (!isIPv6(address)) return address;
  return ipaddr.IPv6.parse(address).toByteArray().slice(0, 8).join('.');
}
