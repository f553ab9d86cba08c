import { GENESIS, type ChainEnds, type NewEntry } from '../audit-entry.js';
import { endsOf, type ChainProblem, type ChainState } from './chain-state.js';

export const UNKNOWN_PROBLEM: ChainProblem = {
  code: 'ends_missing',
  message: 'the ends of the chain are missing',
};

/** The entry that records tampering. A later verification may have the key that was missing here. */
export function tamperingEntry(
  { code, message }: ChainProblem,
  { ends, anchors }: ChainState,
  known: { id: string; hash: string } | undefined,
): NewEntry {
  const data = {
    problem: code,
    message,
    installation: anchors[0]?.id ?? null,
    ends: ends[0] ?? null,
    remembered: known ?? null,
  };
  return { at: new Date(), kind: 'tampering', data };
}

/** No chain gets that long: a larger end is forged, and would leave no ids. */
const MAX_PLAUSIBLE_ID = 2n ** 62n;

/** The next id: after all existing entries and after plausible ends. */
export function continuedFrom({ ends: [stored], newest }: ChainState): ChainEnds {
  const none = { firstId: '0', firstHash: GENESIS, lastId: '0', lastHash: GENESIS, keys: {} };
  const given = stored === undefined ? none : endsOf(stored);
  const [first, last] = [BigInt(given.firstId), BigInt(given.lastId)];
  const ends = first < 0n || last < first || last > MAX_PLAUSIBLE_ID ? none : given;
  if (newest === null || BigInt(newest.id) < BigInt(ends.lastId)) return ends;
  return { ...ends, lastId: newest.id, lastHash: Buffer.from(newest.hash, 'hex') };
}
