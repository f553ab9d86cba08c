import { crc32 } from 'node:zlib';

/** The lane of deliveries whose endpoint has one URL. */
export const SINGLE_LANE = 0;

const KINDS = 16;
const PATHS = 4;
/** A part of a URL that may differ for each job: it has a digit, or is long. */
const VARIABLE = /[^/?&=]*\d[^/?&=]*|[^/?&=]{21,}/g;

/**
 * The lane of a first attempt to call the webhook at `url`. It is even, and the next number is that of the retries. URLs of
 * different kinds are in different lanes, so that a webhook that hangs does not take the slots of one that works. Numbers
 * in a URL do not make it another kind, and the number of lanes is bounded. Among URLs of a kind the path decides.
 */
export function laneOf(url: string | null | undefined): number {
  if (typeof url !== 'string') return SINGLE_LANE;
  const { pathname, search } = new URL(url);
  const kind = crc32((pathname + search).replace(VARIABLE, '*')) % KINDS;
  return 2 * (1 + kind * PATHS + (crc32(pathname) % PATHS));
}

/** The lane of what was sent before, so that it takes no slot of first attempts. */
export function retryLaneOf(lane: number): number {
  return lane === SINGLE_LANE ? lane : lane | 1;
}
