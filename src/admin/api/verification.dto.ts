/** The outcome of a verification of the audit. */
export class VerificationDto {
  ok!: boolean;

  /** `unverifiable`: no tampering was found, but a key is missing. */
  state!: 'intact' | 'changed' | 'unverifiable';

  /** The number of verified entries. */
  rows!: number;

  /** The first entry that is changed, missing, or forged. */
  firstBroken!: string | null;

  reason!: string | null;

  /** The newest entry as one word; pass it as `since` in a later verification. */
  head!: string | null;
}
