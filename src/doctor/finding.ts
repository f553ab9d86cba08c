/** What a check has found. `fail`: the gateway does not work so; `warn`: it works, and somebody should know. */
export interface Finding {
  /** What was checked, in a word or two. */
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** What is so, in plain words. */
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
}

export const ok = (check: string, message: string): Finding => ({ check, status: 'ok', message });

export const warn = (check: string, message: string, fix?: string): Finding =>
  fix === undefined ? { check, status: 'warn', message } : { check, status: 'warn', message, fix };

export const fail = (check: string, message: string, fix?: string): Finding =>
  fix === undefined ? { check, status: 'fail', message } : { check, status: 'fail', message, fix };
